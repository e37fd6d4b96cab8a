#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/http/server.h"
#include "runtime/api/access.h"
#include "runtime/api/cors.h"
#include "runtime/api/router.h"
#include "runtime/telemetry/runtime_metrics.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::runtime::api {

/// What every request of the HTTP API passes through, in upstream's order (facts/wire_notes.md,
/// section 1). The same for all loops.
struct HttpApiSettings {
  HttpAccess access;
  Cors cors;
  std::string api_token;  ///< Empty: none is asked for.
  std::size_t body_bytes_max = 0;
  bool log_calls = false;
  bool obfuscate_urls = false;
  bool omit_health_checks = false;
  /// Whether apps may be invoked by a header: whether there is the fallback.
  bool invokes_by_header = true;
  /// Only the routes marked public, without token, lists, CORS and logs.
  bool public_only = false;
  telemetry::Tracer tracer;
};

/// Stands between the checks of a request and its route: it answers, or passes the request on, once
/// at most, and may change it and its answer.
using HttpFilter = std::function<Task<net::Response>(
    net::Request request, std::move_only_function<Task<net::Response>(net::Request)> next)>;

/// The HTTP API of one loop.
class HttpApi final : public net::RequestHandler {
 public:
  HttpApi(std::shared_ptr<const HttpApiSettings> settings, const Router& router,
          const telemetry::RuntimeMetrics& metrics);
  /// For requests that come from now on; those on their way go on under either.
  void set_settings(std::shared_ptr<const HttpApiSettings> settings) {
    settings_ = std::move(settings);
  }
  /// Takes the requests that no route takes: service invocation by header. Without one: 404.
  void set_fallback(HttpHandler fallback) { fallback_ = std::move(fallback); }
  /// Sees every request whose token is right, before its route is looked for (httpPipeline).
  void set_filter(HttpFilter filter) { filter_ = std::move(filter); }

  Task<net::Response> handle(net::Request request) override;

 private:
  Task<net::Response> authorised(HttpCall& call);
  Task<net::Response> filtered(HttpCall& call);
  Task<net::Response> passed_on(HttpCall* call, net::Request request, bool* passed);
  Task<net::Response> checked(HttpCall& call, const Result<>& match);
  Result<> find_route(HttpCall& call) const;
  Task<net::Response> routed(HttpCall& call);
  void begin_span(HttpCall& call) const;
  void finish(HttpCall& call, std::uint64_t request_bytes, TimePoint started,
              net::Response& response) const;

  std::shared_ptr<const HttpApiSettings> settings_;
  const Router& router_;
  const telemetry::RuntimeMetrics& metrics_;
  HttpHandler fallback_;
  HttpFilter filter_;
};

}  // namespace outrigger::runtime::api
