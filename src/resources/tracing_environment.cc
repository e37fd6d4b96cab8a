#include <algorithm>
#include <map>

#include "base/strings.h"
#include "resources/configuration_loader.h"

namespace outrigger::resources {
namespace {

// The first of two variables that is set to something.
std::string first_of(const Environment& environment, std::string_view one, std::string_view two) {
  for (const std::string_view name : {one, two}) {
    auto value = environment(name);
    if (value && !value->empty()) return std::move(*value);
  }
  return {};
}

// A token of RFC 9110.
bool is_header_name(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto fits = [](char c) {
    return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(Code::invalid_argument, "invalid URL escape in header value " + quoted(text));
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<std::map<std::string, std::string>> parse_headers(std::string_view text) {
  std::map<std::string, std::string> headers;
  for (const std::string_view part : split(text, ',')) {
    const auto pair = cut(part, "=");
    if (!pair) {
      return fail(Code::invalid_argument, "missing '=' in OTLP headers at " + quoted(part));
    }
    const std::string_view name = trim(pair->first);
    if (!is_header_name(name)) {
      return fail(Code::invalid_argument, "invalid OTLP header name " + quoted(name));
    }
    OUT_TRY(const auto value, percent_decoded(pair->second));
    headers.insert_or_assign(std::string(name), std::string(trim(value)));
  }
  return headers;
}

void take_endpoint(Tracing& tracing, std::string_view endpoint, const Environment& environment) {
  if (endpoint.starts_with("http://")) endpoint.remove_prefix(7);
  if (endpoint.starts_with("https://")) endpoint.remove_prefix(8);
  tracing.otel.endpoint_address = endpoint;
  if (tracing.sampling_rate.empty()) tracing.sampling_rate = "1";
  const std::string protocol =
      first_of(environment, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
  tracing.otel.protocol = protocol.starts_with("http") ? "http" : "grpc";
  if (environment("OTEL_EXPORTER_OTLP_INSECURE") == "true") tracing.otel.is_secure = false;
}

}  // namespace

Result<> apply_tracing_environment(Configuration& configuration, const Environment& environment) {
  Tracing& tracing = configuration.tracing;
  if (!tracing.otel.endpoint_address.empty()) return {};
  const std::string endpoint =
      first_of(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
  if (!endpoint.empty()) take_endpoint(tracing, endpoint, environment);

  const std::string headers =
      first_of(environment, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
  if (!headers.empty()) {
    OUT_TRY(const auto parsed, parse_headers(headers));
    for (const auto& [name, value] : parsed) {
      tracing.otel.headers.emplace_back(name).append("=").append(value);
    }
  }

  const std::string timeout =
      first_of(environment, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
  if (timeout.empty()) return {};
  const auto milliseconds = parse_int<std::int32_t>(timeout);
  if (!milliseconds) {
    return fail(Code::invalid_argument,
                "OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds: " + quoted(timeout));
  }
  if (*milliseconds > 0) tracing.otel.timeout = std::chrono::milliseconds(*milliseconds);
  return {};
}

}  // namespace outrigger::resources
