#include "base/strings.h"
#include "net/tls.h"
#include "net/uri.h"
#include "runtime/tracing/exporters.h"
#include "runtime/tracing/http_post.h"
#include "runtime/tracing/zipkin_json.h"

namespace outrigger::runtime::tracing {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(10);

class Zipkin final : public Exporter {
 public:
  Zipkin(std::string url, HttpPost::Target target, Resource resource)
      : url_(std::move(url)), post_(std::move(target)), resource_(std::move(resource)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "zipkin"; }
  [[nodiscard]] std::string_view target() const noexcept override { return url_; }
  void append(std::string& out, const telemetry::FinishedSpan& span) const override {
    append_zipkin_json(out, span, resource_);
  }
  [[nodiscard]] std::string_view separator() const noexcept override { return ","; }
  Task<Delivery> send(std::string parts) override {
    std::string body;
    body.reserve(parts.size() + 2);
    body.append("[").append(parts).append("]");
    std::string answer;
    auto delivery = co_await post_.post(std::move(body), &answer);
    co_return delivery;
  }
  Task<void> close() override { co_await post_.close(); }

 private:
  std::string url_;
  HttpPost post_;
  Resource resource_;
};

Error bad_url(const std::string& url, std::string_view why) {
  return {Code::invalid_argument, "invalid collector URL " + quoted(url) + ": " + std::string(why)};
}

}  // namespace

Result<std::unique_ptr<Exporter>> make_zipkin(const std::string& url, Resource resource) {
  const auto parts = net::parse_url(url);
  if (!parts) return fail(bad_url(url, "no scheme or host"));
  HttpPost::Target target;
  target.endpoint.address = {.host = parts->host, .port = parts->effective_port()};
  if (parts->scheme == "https") {
    net::TlsOptions trust;
    trust.alpn = {"h2", "http/1.1"};
    OUT_TRY(target.endpoint.tls, net::TlsContext::client(std::move(trust)));
    target.endpoint.protocol = net::Endpoint::Protocol::negotiate;
  } else if (parts->scheme != "http") {
    return fail(bad_url(url, "unsupported protocol scheme " + quoted(parts->scheme)));
  }
  target.authority = parts->authority();
  target.path = parts->target();
  target.headers.add("content-type", "application/json");
  target.timeout = kTimeout;
  // Not with what may stand before an '@'.
  std::string shown = parts->scheme + "://" + target.authority + parts->path;
  return std::make_unique<Zipkin>(std::move(shown), std::move(target), std::move(resource));
}

}  // namespace outrigger::runtime::tracing
