#include "runtime/secrets/http.h"

#include "base/json.h"
#include "runtime/api/render.h"
#include "runtime/secrets/service.h"

namespace outrigger::runtime::secrets {
namespace {

using api::HttpCall;

void write(json::Writer& out, const Secret& secret) {
  out.begin_object();
  for (const auto& [key, value] : secret) out.member(key, value);
  out.end_object();
}

Properties metadata_of(const HttpCall& call) {
  return call.query.empty() ? Properties() : call.metadata();
}

Task<net::Response> get(Service& service, HttpCall& call) {
  const auto secret = co_await service.get(std::string(call.param("secretStoreName")),
                                           std::string(call.param("key")), metadata_of(call));
  if (!secret) co_return api::render(secret.error());
  std::string body;
  json::Writer out(body);
  write(out, *secret);
  body += '\n';
  co_return api::json_response(200, std::move(body));
}

Task<net::Response> bulk_get(Service& service, HttpCall& call) {
  const auto secrets =
      co_await service.bulk_get(std::string(call.param("secretStoreName")), metadata_of(call));
  if (!secrets) co_return api::render(secrets.error());
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [name, secret] : *secrets) {
    out.key(name);
    write(out, secret);
  }
  out.end_object();
  body += '\n';
  co_return api::json_response(200, std::move(body));
}

}  // namespace

void add_http_routes(api::Router& router, Service& service) {
  const auto add = [&](std::string_view pattern, std::string_view name, auto handler) {
    api::Route route;
    route.methods = "GET";
    route.pattern = pattern;
    route.group = "secrets";
    route.version = "v1";
    route.name = name;
    route.handler = [&service, handler](HttpCall& call) { return handler(service, call); };
    router.add(std::move(route));
  };
  add("/v1.0/secrets/{secretStoreName}/bulk", "GetBulkSecret", &bulk_get);
  add("/v1.0/secrets/{secretStoreName}/{key}", "GetSecret", &get);
}

}  // namespace outrigger::runtime::secrets
