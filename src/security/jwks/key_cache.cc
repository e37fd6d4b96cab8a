#include "security/jwks/key_cache.h"

#include <optional>

#include <sys/stat.h>

#include "base/base64.h"
#include "base/blocking_pool.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "net/http/client.h"
#include "net/tls.h"
#include "net/uri.h"
#include "security/x509/pem.h"

namespace outrigger::security::jwks {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.jwks");

constexpr std::size_t kSetBytesMax = std::size_t{1} << 20;
constexpr Duration kFileQuiet = 100ms;
// Who has keys of before goes on with them if new ones do not come.
constexpr Duration kPatience = 1s;
// While it has not answered once, nobody is served; then it is asked this often.
constexpr Duration kRetryAfter = 1s;

enum class Source : std::uint8_t { url, file, text };

bool is_file(const std::string& path) {
  struct stat about{};
  return ::stat(path.c_str(), &about) == 0 && !S_ISDIR(about.st_mode);
}

Source source_of(const std::string& text) {
  if (text.starts_with("https://") || text.starts_with("http://")) return Source::url;
  return is_file(text) ? Source::file : Source::text;
}

Result<KeySetPtr> parse(std::string_view json) {
  OUT_TRY(auto keys, jwt::parse_key_set(json));
  return std::make_shared<const jwt::KeySet>(std::move(keys));
}

Result<KeySetPtr> parse_source(const std::string& text) {
  const auto decoded = base64_decode_any(trim(text));
  auto keys = parse(decoded ? *decoded : text);
  if (keys) return keys;
  return fail(Code::invalid_argument,
              "failed to parse property 'location': not a URL, path to local file, or JSON value "
              "(optionally base64-encoded)");
}

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct KeyCache::Impl {
  explicit Impl(KeyCacheOptions given) : options(std::move(given)) {}

  const KeyCacheOptions options;
  Source source = Source::text;
  net::Endpoint endpoint;
  net::Url url;
  net::Client client;
  KeySetPtr keys;
  std::optional<TimePoint> asked;
  bool asking = false;
  Signal answered;
  std::optional<FolderWatch> watch;
  Scope scope;

  Result<> open_url() {
    OUT_TRY(url, net::parse_url(options.source));
    endpoint.address = {.host = url.host, .port = url.effective_port()};
    if (url.scheme == "http") {
      log.warn(
          "Loading JWK from an HTTP endpoint without TLS: this is not recommended on "
          "production environments.");
      return {};
    }
    net::TlsOptions trust;
    trust.alpn = {"h2", "http/1.1"};
    if (!options.ca_certificate.empty()) {
      OUT_TRY(trust.ca_pem, load_pem(options.ca_certificate));
    }
    OUT_TRY(endpoint.tls, net::TlsContext::client(std::move(trust)));
    endpoint.protocol = net::Endpoint::Protocol::negotiate;
    return {};
  }
  static Result<std::string> load_pem(const std::string& given) {
    if (!x509::parse_pem(given).empty()) return given;
    auto text = read_text_file(given, kSetBytesMax);
    if (text) return text;
    return std::unexpected(std::move(text).error().context(
        "failed to load CA certificate: value is neither a valid file path or nor a valid "
        "PEM-encoded string"));
  }

  Task<Result<>> load_file() {
    std::move_only_function<Result<std::string>()> read = [path = options.source] {
      return read_text_file(path, kSetBytesMax);
    };
    OUT_CO_TRY(const auto text, co_await BlockingPool::shared().run(std::move(read)));
    OUT_CO_TRY(keys, parse(text));
    co_return Result<>();
  }
  Task<void> reload_file() {
    if (auto loaded = co_await load_file(); !loaded) {
      log.error("Error reading JWKS from disk: ", loaded.error());
    }
  }

  Task<Result<>> fetch() {
    net::Request request;
    request.method = "GET";
    request.scheme = url.scheme;
    request.authority = url.authority();
    request.target = url.target();
    request.headers.add("accept", "application/json");
    OUT_CO_TRY(auto response, co_await client.send(endpoint, std::move(request)));
    OUT_CO_TRY(const auto body, co_await response.body.read_all(kSetBytesMax));
    if (response.status != 200) {
      co_return fail(Code::unavailable, "HTTP status " + std::to_string(response.status));
    }
    OUT_CO_TRY(keys, parse(body));
    co_return Result<>();
  }
  Task<void> ask() {
    const auto limit = std::chrono::duration_cast<Duration>(options.request_timeout);
    if (auto fetched = co_await with_timeout(fetch(), limit); !fetched) {
      log.warn("Error while refreshing JWKS cache: failed to fetch JWKS from ", options.source,
               ": ", fetched.error());
    }
    asking = false;
    answered.notify_all();
  }
  Task<Result<>> answer() {
    while (asking) {
      OUT_CO_CHECK(co_await answered.wait());
    }
    co_return Result<>();
  }
  /// Asks the URL, if it is time to; one asks for all, and goes on if that one goes away.
  Task<void> refresh() {
    const Duration pause =
        keys ? std::chrono::duration_cast<Duration>(options.min_refresh_interval) : kRetryAfter;
    if (!asking && (!asked || Loop::current().now() - *asked >= pause)) {
      asking = true;
      asked = Loop::current().now();
      scope.spawn(ask());
    }
    const Duration patience =
        keys ? kPatience : std::chrono::duration_cast<Duration>(options.request_timeout) + 1s;
    [[maybe_unused]] const auto waited = co_await with_timeout(answer(), patience);
  }
};

KeyCache::KeyCache(KeyCacheOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
KeyCache::~KeyCache() = default;

Task<Result<>> KeyCache::open() {
  Impl& impl = *impl_;
  const std::string& source = impl.options.source;
  if (source.empty()) {
    co_return fail(Code::invalid_argument, "property 'location' must not be empty");
  }
  impl.source = source_of(source);
  if (impl.source == Source::url) {
    OUT_CO_CHECK(impl.open_url());
    co_await impl.refresh();
    co_return Result<>();
  }
  if (impl.source == Source::text) {
    OUT_CO_TRY(impl.keys, parse_source(source));
    co_return Result<>();
  }
  OUT_CO_CHECK(co_await impl.load_file());
  std::vector<std::string> folders = {folder_of(source)};
  impl.watch.emplace(std::move(folders), kFileQuiet,
                     [&impl] { impl.scope.spawn(impl.reload_file()); });
  co_return Result<>();
}

Task<Result<KeySetPtr>> KeyCache::keys() {
  if (impl_->source == Source::url) co_await impl_->refresh();
  if (!impl_->keys) co_return fail(Code::unavailable, "there are no keys yet");
  co_return impl_->keys;
}

bool KeyCache::ready() const noexcept { return impl_->keys != nullptr; }

Task<void> KeyCache::close() {
  impl_->watch.reset();
  impl_->scope.cancel();
  co_await impl_->scope.join();
  co_await impl_->client.close();
}

}  // namespace outrigger::security::jwks
