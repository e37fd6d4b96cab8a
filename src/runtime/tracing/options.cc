#include "runtime/tracing/options.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "net/transport.h"
#include "net/uri.h"
#include "runtime/tracing/exporters.h"

namespace outrigger::runtime::tracing {
namespace {

const Logger log("dapr.runtime.trace");

constexpr std::size_t kPemBytesMax = 1U << 20;
constexpr std::string_view kTracesPath = "/v1/traces";

/// OTEL_EXPORTER_OTLP_TRACES_<name>, or if that is not set OTEL_EXPORTER_OTLP_<name>.
std::string variable(const Environment& environment, std::string_view name) {
  for (const std::string_view prefix : {"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"}) {
    auto value = environment(std::string(prefix).append(name));
    if (value && !trim(*value).empty()) return std::string(trim(*value));
  }
  return {};
}

/// Whether OpenTelemetry's variables ask for cleartext: the scheme of an endpoint, or the word.
bool environment_wants_cleartext(const Environment& environment) {
  bool cleartext = false;
  for (const std::string_view name :
       {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}) {
    const std::string url = to_lower(environment(name).value_or(""));
    if (url.find("://") == std::string::npos) continue;
    cleartext = url.starts_with("http://") || url.starts_with("unix://");
  }
  for (const std::string_view name :
       {"OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_TRACES_INSECURE"}) {
    const std::string word = to_lower(environment(name).value_or(""));
    if (word == "true" || word == "false") cleartext = word == "true";
  }
  return cleartext;
}

std::string_view without_scheme(std::string_view endpoint) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (endpoint.starts_with(scheme)) return endpoint.substr(scheme.size());
  }
  return endpoint;
}

Error bad_endpoint(std::string_view endpoint, std::string_view why) {
  return {Code::invalid_argument,
          "invalid Otel endpoint " + quoted(endpoint) + ": " + std::string(why)};
}

/// The path that HTTP is posted to. A path of the variable for traces alone is meant as it is.
std::string path_of(std::string_view endpoint, std::string_view given,
                    const Environment& environment) {
  while (given.ends_with('/')) given.remove_suffix(1);
  if (given.empty()) return std::string(kTracesPath);
  const std::string exact = environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").value_or("");
  if (given.ends_with(kTracesPath) || without_scheme(exact) == endpoint) return std::string(given);
  return std::string(given).append(kTracesPath);
}

Result<> read_endpoint(std::string_view text, const Environment& environment,
                       OtlpOptions& options) {
  const std::string_view endpoint = without_scheme(text);
  if (endpoint.starts_with("unix:")) {
    OUT_TRY(const auto address, net::parse_address(endpoint));
    options.host = address.host;
    options.path = kTracesPath;
    return {};
  }
  const auto slash = endpoint.find('/');
  const std::string_view authority = endpoint.substr(0, slash);
  const auto parts = net::split_authority(authority);
  if (!parts || parts->host.empty()) return fail(bad_endpoint(text, "no host"));
  options.host = parts->host;
  const bool cleartext_http = !options.tls && options.protocol == OtlpOptions::Protocol::http;
  options.port = parts->port.value_or(cleartext_http ? 80 : 443);
  if (options.port == 0) return fail(bad_endpoint(text, "no port"));
  options.path =
      path_of(endpoint, slash == std::string_view::npos ? "" : endpoint.substr(slash), environment);
  return {};
}

bool is_field_text(std::string_view text) noexcept {
  return std::ranges::none_of(text, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

Result<> add_header(std::string_view name, std::string_view value, OtlpOptions& options) {
  const auto is_token_char = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  const bool good = !name.empty() && std::ranges::all_of(name, is_token_char);
  if (!good || !is_field_text(value)) {
    return fail(Code::invalid_argument, "invalid Otel header " + quoted(name));
  }
  options.headers.emplace_back(to_lower(name), value);
  return {};
}

/// The Configuration's, or if it has none those of the environment.
Result<> read_headers(const resources::Tracing::Otel& otel, const Environment& environment,
                      OtlpOptions& options) {
  for (const std::string& header : otel.headers) {
    if (const auto pair = cut(header, "=")) {
      OUT_CHECK(add_header(trim(pair->first), pair->second, options));
    }
  }
  if (!otel.headers.empty()) return {};
  const std::string given = variable(environment, "HEADERS");
  for (const std::string_view part : split(given, ',')) {
    const auto pair = cut(part, "=");
    if (!pair) continue;
    auto value = net::path_unescape(trim(pair->second));
    if (!value) continue;
    OUT_CHECK(add_header(trim(pair->first), *value, options));
  }
  return {};
}

Result<> read_pem(const Environment& environment, std::string_view name, std::string& pem) {
  const std::string path = variable(environment, name);
  if (path.empty()) return {};
  auto text = read_text_file(path, kPemBytesMax);
  if (!text) {
    return fail(std::move(text).error().context("OTEL_EXPORTER_OTLP_" + std::string(name)));
  }
  pem = *std::move(text);
  return {};
}

/// As OpenTelemetry's SDK for Go, which upstream uses: what is not known is none.
bool wants_gzip(const Environment& environment) {
  const std::string method = variable(environment, "COMPRESSION");
  if (method != "gzip" && method != "none" && !method.empty()) {
    log.warn("OTEL_EXPORTER_OTLP_COMPRESSION: ", quoted(method),
             " is neither gzip nor none: spans are sent uncompressed");
  }
  return method == "gzip";
}

void take_number(const Environment& environment, std::string_view name, std::size_t limit,
                 std::size_t& value) {
  const auto given = parse_int<std::int64_t>(trim(environment(name).value_or("")));
  if (given && *given > 0) value = std::min<std::size_t>(static_cast<std::size_t>(*given), limit);
}

void take_millis(const Environment& environment, std::string_view name, Duration& value) {
  constexpr std::size_t kHour = 3'600'000;
  std::size_t millis = 0;
  take_number(environment, name, kHour, millis);
  if (millis > 0) value = std::chrono::milliseconds(millis);
}

}  // namespace

Result<std::optional<OtlpOptions>> otlp_options(const resources::Tracing& tracing,
                                                const Environment& environment) {
  const resources::Tracing::Otel& otel = tracing.otel;
  if (otel.endpoint_address.empty() || otel.protocol.empty()) return std::nullopt;
  if (otel.protocol != "http" && otel.protocol != "grpc") {
    return fail(Code::invalid_argument,
                "invalid protocol " + otel.protocol + " provided for Otel endpoint");
  }
  OtlpOptions options;
  using Protocol = OtlpOptions::Protocol;
  options.protocol = otel.protocol == "http" ? Protocol::http : Protocol::grpc;
  options.tls = otel.is_secure && !environment_wants_cleartext(environment);
  OUT_CHECK(read_endpoint(otel.endpoint_address, environment, options));
  OUT_CHECK(read_headers(otel, environment, options));
  options.gzip = wants_gzip(environment);
  constexpr std::chrono::nanoseconds kTimeoutMax = std::chrono::hours(1);
  take_millis(environment, "OTEL_EXPORTER_OTLP_TIMEOUT", options.timeout);
  take_millis(environment, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", options.timeout);
  if (otel.timeout && otel.timeout->count() > 0) {
    options.timeout = std::chrono::duration_cast<Duration>(std::min(*otel.timeout, kTimeoutMax));
  }
  if (options.tls) {
    OUT_CHECK(read_pem(environment, "CERTIFICATE", options.ca_pem));
    OUT_CHECK(read_pem(environment, "CLIENT_CERTIFICATE", options.certificate_pem));
    OUT_CHECK(read_pem(environment, "CLIENT_KEY", options.key_pem));
  }
  return options;
}

BatchOptions batch_options(const Environment& environment) {
  constexpr std::size_t kSpansMax = 1U << 20;
  BatchOptions options;
  take_number(environment, "OTEL_BSP_MAX_QUEUE_SIZE", kSpansMax, options.queue_spans_max);
  take_number(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", kSpansMax, options.batch_spans_max);
  options.batch_spans_max = std::min(options.batch_spans_max, options.queue_spans_max);
  take_millis(environment, "OTEL_BSP_SCHEDULE_DELAY", options.delay);
  take_millis(environment, "OTEL_BSP_EXPORT_TIMEOUT", options.export_timeout);
  return options;
}

Result<Exporters> make_exporters(const resources::Tracing& tracing, std::string_view app_id,
                                 const Environment& environment) {
  Exporters exporters;
  exporters.batch = batch_options(environment);
  Resource resource = make_resource(app_id, environment);
  if (tracing.print_to_stdout) exporters.all.push_back(make_stdout());
  if (!tracing.zipkin_endpoint_address.empty()) {
    OUT_TRY(auto zipkin, make_zipkin(tracing.zipkin_endpoint_address, resource));
    exporters.all.push_back(std::move(zipkin));
  }
  OUT_TRY(auto otlp, otlp_options(tracing, environment));
  if (otlp) {
    const bool http = otlp->protocol == OtlpOptions::Protocol::http;
    auto made = http ? make_otlp_http(*std::move(otlp), std::move(resource))
                     : make_otlp_grpc(*std::move(otlp), std::move(resource));
    if (!made) return fail(std::move(made).error().context("Otel exporter"));
    exporters.all.push_back(*std::move(made));
  }
  return exporters;
}

}  // namespace outrigger::runtime::tracing
