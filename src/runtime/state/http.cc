#include "runtime/state/http.h"

#include "base/json.h"
#include "base/strings.h"
#include "net/uri.h"
#include "runtime/api/render.h"
#include "runtime/state/http_body.h"
#include "runtime/state/service.h"

namespace outrigger::runtime::state {
namespace {

using api::HttpCall;

/// As Go writes header names: Metadata.ttlexpiretime.
std::string header_name(std::string_view name) {
  std::string canonical;
  bool begins_word = true;
  for (const char c : name) {
    canonical += begins_word ? to_upper(c) : to_lower(c);
    begins_word = c == '-';
  }
  return canonical;
}

constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_header_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           kTokenMarks.find(c) != std::string_view::npos;
  });
}

/// Adds a header whose value comes from a store: line ends become spaces, as in Go.
void add_header(net::Headers& headers, std::string_view name, std::string value) {
  std::ranges::replace(value, '\n', ' ');
  std::ranges::replace(value, '\r', ' ');
  std::erase(value, '\0');
  headers.add(name, value);
}

net::Response item_response(Item item) {
  net::Response response;
  response.headers.add("Content-Type", "application/json");
  if (item.etag) add_header(response.headers, "Etag", *std::move(item.etag));
  for (auto& [key, value] : item.metadata) {
    if (!is_header_name(key)) continue;
    add_header(response.headers, header_name("metadata." + key), std::move(value));
  }
  response.body = std::move(item.value);
  return response;
}

/// What Go's decoder, which reads the body itself, says of a body that cannot be read.
Task<Result<std::string>> read_body(HttpCall& call) {
  const std::size_t limit = call.body_bytes_max == 0 ? SIZE_MAX : call.body_bytes_max;
  auto body = co_await call.request.body.read_all(limit);
  if (!body && body.error().code() == Code::resource_exhausted) {
    co_return fail(Code::invalid_argument, "stream too large");
  }
  co_return body;
}

net::Response malformed(const std::string& message) {
  return api::render(simple_error(400, "ERR_MALFORMED_REQUEST", message));
}
net::Response undecodable(const Error& why) {
  return malformed("failed deserializing HTTP body: " + why.message());
}

void merge(Properties& into, const Properties& from) {
  for (const auto& [key, value] : from) into.insert_or_assign(key, value);
}

Task<net::Response> get(Service& service, HttpCall& call) {
  Get request;
  request.store = call.param("storeName");
  request.request.key = call.param("key");
  if (!call.query.empty()) {
    request.request.metadata = call.metadata();
    // What is neither "strong" nor "eventual" is left to the store's default, as upstream.
    const auto consistency = net::query_value(call.query, "consistency");
    request.request.consistency = stores::parse_consistency(consistency.value_or(""))
                                      .value_or(stores::Consistency::unspecified);
  }
  auto item = co_await service.get(std::move(request));
  if (!item) co_return api::render(item.error());
  // An empty value is the same as none, as upstream.
  if (!*item || (*item)->value.empty()) co_return api::empty_response();
  co_return item_response(**std::move(item));
}

Task<net::Response> save(Service& service, HttpCall& call) {
  std::string store(call.param("storeName"));
  if (const auto checked = service.check(store, Face::http); !checked) {
    co_return api::render(checked.error());
  }
  const auto body = co_await read_body(call);
  if (!body) co_return malformed(body.error().message());
  auto writes = read_save_body(*body);
  if (!writes) co_return malformed(writes.error().message());
  const Properties metadata = call.metadata();
  for (Save& write : *writes) merge(write.request.metadata, metadata);
  auto saved = co_await service.save(std::move(store), *std::move(writes), Face::http);
  if (!saved) co_return api::render(saved.error());
  co_return api::empty_response();
}

Task<net::Response> remove(Service& service, HttpCall& call) {
  std::string store(call.param("storeName"));
  Remove write;
  write.request.key = call.param("key");
  if (!call.query.empty()) {
    write.request.metadata = call.metadata();
    auto concurrency =
        stores::parse_concurrency(net::query_value(call.query, "concurrency").value_or(""));
    auto consistency =
        stores::parse_consistency(net::query_value(call.query, "consistency").value_or(""));
    if (!concurrency) {
      write.refusal = std::move(concurrency).error();
    } else if (!consistency) {
      write.refusal = std::move(consistency).error();
    } else {
      write.request.concurrency = *concurrency;
      write.request.consistency = *consistency;
    }
  }
  if (const auto etag = call.request.headers.get("If-Match")) write.request.etag = *etag;
  auto removed = co_await service.remove(std::move(store), std::move(write), Face::http);
  if (!removed) co_return api::render(removed.error());
  co_return api::empty_response();
}

/// Appends a stored value as JSON. Upstream answers with an empty body if one value is not JSON (it
/// was saved over gRPC); here such a value is a string.
void write_data(json::Writer& out, std::string_view value) {
  std::string compact;
  if (json::append_compact(compact, value, json::Html::escape)) {
    out.raw_member("data", compact);
  } else {
    out.member("data", value);
  }
}

void write_metadata(json::Writer& out, const Properties& metadata) {
  if (metadata.empty()) return;
  out.key("metadata").begin_object();
  for (const auto& [key, value] : metadata) out.member(key, value);
  out.end_object();
}

net::Response bulk_response(const std::vector<stores::BulkItem>& answers) {
  std::string body;
  json::Writer out(body);
  out.begin_array();
  for (const stores::BulkItem& answer : answers) {
    out.begin_object().member("key", answer.key);
    if (!answer.item) {
      out.member("error", text_of(answer.item.error()));
    } else if (*answer.item) {
      const Item& item = **answer.item;
      if (!item.value.empty()) write_data(out, item.value);
      if (item.etag) out.member("etag", *item.etag);
      write_metadata(out, item.metadata);
    }
    out.end_object();
  }
  out.end_array();
  body += '\n';
  return api::json_response(200, std::move(body));
}

Task<net::Response> bulk_get(Service& service, HttpCall& call) {
  BulkGet request;
  request.store = call.param("storeName");
  if (const auto checked = service.check(request.store, Face::http); !checked) {
    co_return api::render(checked.error());
  }
  const auto body = co_await read_body(call);
  if (!body) co_return undecodable(body.error());
  auto read = read_bulk_get_body(*body);
  if (!read) co_return undecodable(read.error());
  request.keys = std::move(read->keys);
  request.parallelism = read->parallelism;
  request.metadata = std::move(read->metadata);
  merge(request.metadata, call.metadata());
  const auto answers = co_await service.bulk_get(std::move(request));
  if (!answers) co_return api::render(answers.error());
  co_return bulk_response(*answers);
}

Task<net::Response> transact(Service& service, HttpCall& call) {
  Transaction request;
  request.store = call.param("storeName");
  if (const auto checked = service.check_transactional(request.store, Face::http); !checked) {
    co_return api::render(checked.error());
  }
  const auto body = co_await read_body(call);
  if (!body) co_return undecodable(body.error());
  auto read = read_transaction_body(*body);
  if (!read) co_return undecodable(read.error());
  if (read->steps.empty()) co_return api::empty_response();
  const Properties metadata = call.metadata();
  request.steps = std::move(read->steps);
  for (TransactionStep& step : request.steps) {
    // The body's own metadata is the transaction's; the query's also each operation's.
    if (auto* write = std::get_if<Save>(&step)) merge(write->request.metadata, metadata);
    if (auto* write = std::get_if<Remove>(&step)) merge(write->request.metadata, metadata);
  }
  request.metadata = std::move(read->metadata);
  merge(request.metadata, metadata);
  request.trace = call.trace;
  auto done = co_await service.transact(std::move(request));
  if (!done) co_return api::render(done.error());
  co_return api::empty_response();
}

net::Response query_response(const stores::QueryAnswer& answer) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("results").begin_array();
  for (const stores::QueryItem& item : answer.results) {
    out.begin_object().member("key", item.key);
    if (item.value.empty()) {
      out.key("data").null();
    } else {
      write_data(out, item.value);
    }
    if (item.etag && !item.etag->empty()) out.member("etag", *item.etag);
    if (!item.error.empty()) out.member("error", item.error);
    out.end_object();
  }
  out.end_array();
  if (!answer.token.empty()) out.member("token", answer.token);
  write_metadata(out, answer.metadata);
  out.end_object();
  body += '\n';
  return api::json_response(200, std::move(body));
}

Task<net::Response> query(Service& service, HttpCall& call) {
  auto body = co_await call.body();
  if (!body) co_return api::render(body.error());
  Query request;
  request.store = call.param("storeName");
  request.text = *std::move(body);
  request.metadata = call.metadata();
  const auto answer = co_await service.query(std::move(request));
  if (!answer) co_return api::render(answer.error());
  if (answer->results.empty()) co_return api::empty_response();
  co_return query_response(*answer);
}

}  // namespace

void add_http_routes(api::Router& router, Service& service) {
  const auto add = [&](std::string_view methods, std::string_view version, std::string_view pattern,
                       std::string_view name, auto handler) {
    api::Route route;
    route.methods = methods;
    route.pattern = pattern;
    route.group = "state";
    route.version = version;
    route.name = name;
    route.handler = [&service, handler](HttpCall& call) { return handler(service, call); };
    router.add(std::move(route));
  };
  add("GET", "v1", "/v1.0/state/{storeName}/{key}", "GetState", &get);
  add("POST,PUT", "v1", "/v1.0/state/{storeName}", "SaveState", &save);
  add("DELETE", "v1", "/v1.0/state/{storeName}/{key}", "DeleteState", &remove);
  add("POST,PUT", "v1", "/v1.0/state/{storeName}/bulk", "GetBulkState", &bulk_get);
  add("POST,PUT", "v1", "/v1.0/state/{storeName}/transaction", "ExecuteStateTransaction",
      &transact);
  add("POST,PUT", "v1alpha1", "/v1.0-alpha1/state/{storeName}/query", "QueryStateAlpha1", &query);
}

}  // namespace outrigger::runtime::state
