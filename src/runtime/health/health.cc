#include "runtime/health/health.h"

#include "net/uri.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::health {
namespace {

net::Response not_ready(std::string_view tag, std::string message) {
  return api::render(Error(Code::internal, tag, std::move(message)).with_http_status(500));
}

Task<net::Response> healthz(const Readiness& all, const std::string& app_id, api::HttpCall& call) {
  if (!all.ready()) {
    std::string list = "[";
    for (const std::string& target : all.unready()) {
      if (list.size() > 1) list += ' ';
      list += target;
    }
    co_return not_ready("ERR_HEALTH_NOT_READY", "dapr is not ready: " + list + "]");
  }
  const auto asked = net::query_value(call.query, "appid");
  if (asked && *asked != app_id) {
    co_return not_ready("ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
  }
  co_return api::empty_response();
}

Task<net::Response> outbound_healthz(const Readiness& outbound) {
  if (outbound.ready()) co_return api::empty_response();
  co_return not_ready("ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready");
}

}  // namespace

void add_http_routes(api::Router& router, const Readiness& all, const Readiness& outbound,
                     std::string app_id) {
  api::Route health;
  health.methods = "GET";
  health.pattern = "/v1.0/healthz";
  health.group = "healthz";
  health.name = "Healthz";
  health.version = "v1";
  health.always_allowed = true;
  health.is_public = true;
  health.handler = [&all, app_id = std::move(app_id)](api::HttpCall& call) {
    return healthz(all, app_id, call);
  };
  router.add(std::move(health));
  api::Route out;
  out.methods = "GET";
  out.pattern = "/v1.0/healthz/outbound";
  out.group = "healthz";
  out.name = "HealthzOutbound";
  out.version = "v1";
  out.always_allowed = true;
  out.is_public = true;
  out.handler = [&outbound](api::HttpCall&) { return outbound_healthz(outbound); };
  router.add(std::move(out));
}

}  // namespace outrigger::runtime::health
