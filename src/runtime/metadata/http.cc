#include "base/json.h"
#include "base/strings.h"
#include "runtime/api/render.h"
#include "runtime/metadata/service.h"

namespace outrigger::runtime::metadata {
namespace {

std::string_view type_name(SubscriptionFacts::Type type) {
  switch (type) {
    case SubscriptionFacts::Type::unknown: return "UNKNOWN";
    case SubscriptionFacts::Type::declarative: return "DECLARATIVE";
    case SubscriptionFacts::Type::programmatic: return "PROGRAMMATIC";
    case SubscriptionFacts::Type::streaming: return "STREAMING";
  }
  return "UNKNOWN";
}

void write_text(json::Writer& out, std::string_view key, std::string_view text) {
  if (!text.empty()) out.member(key, text);
}

void write_strings(json::Writer& out, std::string_view key, const std::vector<std::string>& list) {
  if (list.empty()) return;
  out.key(key).begin_array();
  for (const std::string& one : list) out.value(one);
  out.end_array();
}

void write_names(json::Writer& out, std::string_view key, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out.key(key).begin_array();
  for (const std::string& name : names) out.begin_object().member("name", name).end_object();
  out.end_array();
}

void write_map(json::Writer& out, std::string_view key,
               const std::map<std::string, std::string>& map) {
  if (map.empty()) return;
  out.key(key).begin_object();
  for (const auto& [name, value] : map) out.member(name, value);
  out.end_object();
}

void write_components(json::Writer& out, const std::vector<ComponentFacts>& components) {
  if (components.empty()) return;
  out.key("components").begin_array();
  for (const ComponentFacts& component : components) {
    out.begin_object();
    write_text(out, "name", component.name);
    write_text(out, "type", component.type);
    write_text(out, "version", component.version);
    write_strings(out, "capabilities", component.capabilities);
    out.end_object();
  }
  out.end_array();
}

void write_subscriptions(json::Writer& out, const std::vector<SubscriptionFacts>& subscriptions) {
  if (subscriptions.empty()) return;
  out.key("subscriptions").begin_array();
  for (const SubscriptionFacts& subscription : subscriptions) {
    out.begin_object().member("pubsubname", subscription.pubsub_name);
    out.member("topic", subscription.topic);
    write_map(out, "metadata", subscription.metadata);
    if (!subscription.rules.empty()) {
      out.key("rules").begin_array();
      for (const auto& rule : subscription.rules) {
        out.begin_object();
        write_text(out, "match", rule.match);
        write_text(out, "path", rule.path);
        out.end_object();
      }
      out.end_array();
    }
    out.member("deadLetterTopic", subscription.dead_letter_topic);
    out.member("type", type_name(subscription.type)).end_object();
  }
  out.end_array();
}

void write_app(json::Writer& out, const AppFacts& app) {
  if (app.port == 0 && app.protocol.empty() && app.channel_address.empty()) return;
  out.key("appConnectionProperties").begin_object();
  if (app.port != 0) out.member("port", app.port);
  write_text(out, "protocol", app.protocol);
  write_text(out, "channelAddress", app.channel_address);
  if (app.concurrency_max != 0) out.member("maxConcurrency", app.concurrency_max);
  if (app.health) {
    out.key("health").begin_object();
    write_text(out, "healthCheckPath", app.health->path);
    write_text(out, "healthProbeInterval", app.health->interval);
    write_text(out, "healthProbeTimeout", app.health->timeout);
    if (app.health->threshold != 0) out.member("healthThreshold", app.health->threshold);
    out.end_object();
  }
  out.end_object();
}

void write_counts(json::Writer& out, std::string_view key,
                  const std::vector<ActorFacts::Count>& counts) {
  if (counts.empty()) return;
  out.key(key).begin_array();
  for (const ActorFacts::Count& one : counts) {
    out.begin_object();
    write_text(out, "type", one.type);
    if (one.count != 0) out.member("count", static_cast<std::uint64_t>(one.count));
    out.end_object();
  }
  out.end_array();
}

void write_actors(json::Writer& out, const ActorFacts& actors) {
  constexpr std::string_view kNames[] = {"INITIALIZING", "DISABLED", "RUNNING"};
  out.key("actorRuntime").begin_object();
  out.member("runtimeStatus", kNames[static_cast<int>(actors.runtime)]);
  write_counts(out, "activeActors", actors.active);
  out.member("hostReady", actors.host_ready);
  write_text(out, "placement", actors.placement);
  out.end_object();
}

Task<net::Response> get_metadata(Service& service) {
  const auto facts = co_await service.current();
  std::string body;
  json::Writer out(body);
  out.begin_object();
  write_text(out, "id", facts->app_id);
  write_text(out, "runtimeVersion", facts->runtime_version);
  write_strings(out, "enabledFeatures", facts->enabled_features);
  // The place that older clients look at.
  write_counts(out, "actors", facts->actors.active);
  write_components(out, facts->components);
  write_map(out, "extended", service.extended());
  write_subscriptions(out, facts->subscriptions);
  write_names(out, "httpEndpoints", facts->http_endpoints);
  write_app(out, facts->app);
  write_actors(out, facts->actors);
  if (!facts->scheduler_addresses.empty()) {
    out.key("scheduler").begin_object();
    write_strings(out, "connected_addresses", facts->scheduler_addresses);
    out.end_object();
  }
  write_names(out, "resiliencies", facts->resiliencies);
  if (!facts->breakers.empty()) out.raw_member(kBreakers, breakers_json(facts->breakers));
  out.end_object();
  co_return api::json_response(200, std::move(body));
}

Task<net::Response> put_metadata(Service& service, api::HttpCall& call) {
  auto value = co_await call.body();
  if (!value) co_return api::render(value.error());
  service.set_extended(std::string(call.param("key")), *std::move(value));
  co_return api::empty_response();
}

Task<net::Response> ask_shutdown(const Shutdown& shutdown, api::HttpCall& call) {
  shutdown(net::iequals(call.request.headers.value("dapr-force-shutdown"), "true"));
  co_return api::empty_response();
}

}  // namespace

void add_http_routes(api::Router& router, Service& service, Shutdown shutdown) {
  api::Route get;
  get.methods = "GET";
  get.pattern = "/v1.0/metadata";
  get.group = "metadata";
  get.name = "GetMetadata";
  get.version = "v1";
  get.is_public = true;
  get.handler = [&service](api::HttpCall&) { return get_metadata(service); };
  router.add(std::move(get));
  api::Route put;
  put.methods = "PUT";
  put.pattern = "/v1.0/metadata/{key}";
  put.group = "metadata";
  put.name = "PutMetadata";
  put.version = "v1";
  put.is_public = true;
  put.handler = [&service](api::HttpCall& call) { return put_metadata(service, call); };
  router.add(std::move(put));
  api::Route stop;
  stop.methods = "POST";
  stop.pattern = "/v1.0/shutdown";
  stop.group = "shutdown";
  stop.name = "Shutdown";
  stop.version = "v1";
  stop.handler = [shutdown = std::move(shutdown)](api::HttpCall& call) {
    return ask_shutdown(shutdown, call);
  };
  router.add(std::move(stop));
}

}  // namespace outrigger::runtime::metadata
