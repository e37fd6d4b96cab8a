#include "runtime/invoke/message.h"

#include "base/strings.h"

namespace outrigger::runtime::invoke {
namespace {

constexpr std::string_view kVerbs[] = {"NONE",   "GET",     "HEAD",    "POST",  "PUT",
                                       "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr std::string_view kProtobuf = "application/x-protobuf";

bool is_grpc_content(std::span<const Field> fields) noexcept {
  // Only gRPC's metadata has the name in lower case.
  for (const Field& field : fields) {
    if (field.name == "content-type") return field.value.starts_with("application/grpc");
  }
  return false;
}

}  // namespace

std::string_view to_string(Verb verb) noexcept { return kVerbs[static_cast<std::size_t>(verb)]; }

Verb verb_of(std::string_view method) noexcept {
  for (std::size_t i = 0; i < std::size(kVerbs); ++i) {
    if (equals_fold(kVerbs[i], method)) return static_cast<Verb>(i);
  }
  return Verb::post;
}

std::string_view RequestView::metadata_value(std::string_view name) const noexcept {
  for (const Field& field : metadata) {
    if (net::iequals(field.name, name)) return field.value;
  }
  return {};
}

bool RequestView::from_grpc() const noexcept { return is_grpc_content(metadata); }

std::string_view RequestView::effective_content_type() const noexcept {
  return type_url.empty() ? content_type : kProtobuf;
}

RequestView Request::view() const {
  RequestView view;
  view.method = method;
  view.has_http_extension = has_http_extension;
  view.verb = verb;
  view.query = query;
  view.content_type = content_type;
  view.type_url = type_url;
  view.metadata = fields_of(metadata);
  return view;
}

bool Reply::from_grpc() const noexcept { return is_grpc_content(fields_of(headers)); }

std::string_view Reply::effective_content_type() const noexcept {
  return type_url.empty() ? std::string_view(content_type) : kProtobuf;
}

void settle(net::Body& body) {
  constexpr std::size_t kWholeBytesMax = 64 * 1024;
  if (!body.is_stream() || !body.stream->finished()) return;
  const std::size_t bytes = body.stream->available();
  if (bytes > kWholeBytesMax) return;
  body.whole.resize(bytes);
  body.stream->take_into(body.whole.data(), bytes);
  body.trailers = body.stream->trailers();
  body.stream.reset();
}

std::vector<Field> fields_of(const net::Headers& headers) {
  std::vector<Field> fields;
  fields.reserve(headers.size() + 8);
  for (const Field field : headers) fields.push_back(field);
  return fields;
}

}  // namespace outrigger::runtime::invoke
