// A request's path and headers on their way through the sidecar: routes, labels, names and values
// that go from HTTP to gRPC and back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/uri.h"
#include "runtime/api/cors.h"
#include "runtime/api/router.h"
#include "runtime/invoke/content_type.h"
#include "runtime/invoke/header_rules.h"
#include "runtime/invoke/metadata_map.h"
#include "runtime/telemetry/path_labels.h"

namespace {

using namespace outrigger;
using namespace outrigger::runtime;

Task<net::Response> nothing(api::HttpCall&) { co_return net::Response(); }

const api::Router& router() {
  static const auto made = [] {
    auto all = std::make_unique<api::Router>();
    for (const char* pattern :
         {"/v1.0/state/{storeName}", "/v1.0/state/{storeName}/{key}",
          "/v1.0/state/{storeName}/bulk", "/v1.0/invoke/{id}/method/{method*}",
          "/v1.0/publish/{pubsubname}/{topic*}", "/v1.0/metadata", "/v1.0/healthz/outbound",
          "/{method*}"}) {
      all->add({.methods = "GET,POST", .pattern = pattern, .handler = nothing});
    }
    return all;
  }();
  return *made;
}

void route(std::string_view input) {
  const std::string clean = net::clean_path(input);
  const auto match = router().find("GET", clean);
  if (match && match->route != nullptr) OUT_ASSERT(match->params.size() <= 2);
  std::string scratch;
  OUT_ASSERT(telemetry::path_without_ids(input, scratch).size() <= input.size() + 64);
  static const telemetry::PathLabels labels(
      {.increased_cardinality = false,
       .patterns = {"/orders/{id}", "/files/{rest...}", "/static/", "/v1.0/state/{store}/{key}"}});
  (void)labels.server(input, scratch);
  (void)labels.client(input, scratch);
  const std::size_t half = input.size() / 2;
  const telemetry::PathLabels other(
      {.increased_cardinality = true, .patterns = {std::string(input.substr(0, half))}});
  (void)other.server(input.substr(half), scratch);
  const api::Cors cors(input.substr(0, half));
  net::Response response;
  cors.add_headers(input.substr(half), "GET", response);
}

void pass_on(std::string_view input) {
  // A head as an HTTP/1.1 client writes it, but for the request line.
  net::Headers headers;
  for (std::string_view rest = input; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const std::size_t colon = std::min(line.find(':'), line.size());
    headers.add(line.substr(0, colon), line.substr(std::min(colon + 1, line.size())));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const auto& field : headers) {
    OUT_ASSERT(net::iequals(invoke::canonical_name(field.name), field.name));
    (void)invoke::is_hop_by_hop(field.name);
    (void)invoke::wants_events(field.value);
  }
  net::Headers metadata = invoke::metadata_of_http_request(headers);
  static const invoke::Forwarding forwarding("a", "n", "192.0.2.1", "vm");
  forwarding.add_to(metadata, "b");
  invoke::RequestView request{.method = "m", .metadata = invoke::fields_of(metadata)};
  (void)invoke::http_request_headers(request, {});
  (void)invoke::grpc_metadata(request.metadata, {}, invoke::HttpNames::prefix);
  const invoke::MetadataMap map(request.metadata);
  std::string bytes;
  map.append(bytes, 2);
  OUT_ASSERT(bytes.size() == map.size());
  (void)invoke::metadata_of_grpc_fields(headers);
  invoke::Reply reply;
  reply.status = 200;
  reply.headers = invoke::metadata_of_http_response(headers);
  (void)invoke::http_reply_headers(reply, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  route(input);
  pass_on(input);
  (void)invoke::sniff_content_type(input);
  return 0;
}
