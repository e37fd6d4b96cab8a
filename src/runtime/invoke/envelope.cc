#include "runtime/invoke/envelope.h"

#include "base/strings.h"
#include "runtime/invoke/metadata_map.h"
#include "runtime/invoke/wire.h"

namespace outrigger::runtime::invoke {
namespace {

using wire::Reader;

constexpr std::uint64_t kVersion1 = 1;  // APIVersion.V1

std::unexpected<Error> malformed() {
  return fail(Code::internal,
              "grpc: error unmarshalling request: proto: cannot parse invalid "
              "wire-format data");
}

// HTTPExtension{verb = 1, querystring = 2}
std::size_t extension_size(const RequestView& request) {
  return wire::number_size(static_cast<std::uint64_t>(request.verb)) +
         wire::text_size(request.query.size());
}

// Any{type_url = 1, value = 2}
std::size_t any_size(std::string_view type_url, std::size_t bytes) {
  return wire::text_size(type_url.size()) + wire::text_size(bytes);
}

void put_any(std::string& out, std::uint32_t field, std::string_view type_url,
             std::string_view data) {
  wire::put_head(out, field, any_size(type_url, data.size()));
  wire::put_text(out, 1, type_url);
  wire::put_text(out, 2, data);
}

// InvokeRequest{method = 1, data = 2, content_type = 3, http_extension = 4}
std::size_t message_size(const RequestView& request) {
  std::size_t size =
      wire::text_size(request.method.size()) + wire::text_size(request.content_type.size());
  if (request.has_http_extension) size += wire::field_size(extension_size(request));
  return size;
}

void put_message(std::string& out, const RequestView& request) {
  wire::put_text(out, 1, request.method);
  wire::put_text(out, 3, request.content_type);
  if (!request.has_http_extension) return;
  wire::put_head(out, 4, extension_size(request));
  wire::put_number(out, 1, static_cast<std::uint64_t>(request.verb));
  wire::put_text(out, 2, request.query);
}

// StreamPayload{data = 1, seq = 2}
std::size_t payload_size(const Payload& payload) {
  return wire::text_size(payload.data.size()) + wire::number_size(payload.seq);
}

void put_payload(std::string& out, const Payload& payload) {
  wire::put_head(out, 2, payload_size(payload));
  wire::put_text(out, 1, payload.data);
  wire::put_number(out, 2, payload.seq);
}

/// The text with what is not UTF-8 replaced; `scratch` holds it then.
std::string_view as_utf8(std::string_view text, std::string& scratch) {
  if (is_utf8(text)) return text;
  scratch = to_utf8(text);
  return scratch;
}

/// A request whose texts are all UTF-8, and its size as InternalInvokeRequest.
class RequestWriter {
 public:
  RequestWriter(const RequestView& request, std::string_view data, bool with_data)
      : request_(request),
        data_(data),
        with_data_(with_data || !request.type_url.empty()),
        metadata_(request.metadata) {
    request_.method = as_utf8(request_.method, method_);
    request_.query = as_utf8(request_.query, query_);
    request_.content_type = as_utf8(request_.content_type, content_type_);
    message_size_ = message_size(request_);
    if (with_data_) {
      message_size_ += wire::field_size(any_size(request_.type_url, data_.size()));
    }
  }

  // InternalInvokeRequest{ver = 1, metadata = 2, message = 3}
  [[nodiscard]] std::size_t size() const {
    return wire::number_size(kVersion1) + metadata_.size() + wire::field_size(message_size_);
  }
  void put(std::string& out) const {
    wire::put_number(out, 1, kVersion1);
    metadata_.append(out, 2);
    wire::put_head(out, 3, message_size_);
    put_message(out, request_);
    if (with_data_) put_any(out, 2, request_.type_url, data_);
  }

 private:
  RequestView request_;
  std::string_view data_;
  bool with_data_;
  MetadataMap metadata_;
  std::string method_, query_, content_type_;
  std::size_t message_size_ = 0;
};

/// The same for an InternalInvokeResponse.
class ReplyWriter {
 public:
  ReplyWriter(const Reply& reply, std::string_view data, bool with_data)
      : reply_(reply),
        data_(data),
        with_data_(with_data || !reply.type_url.empty()),
        header_fields_(fields_of(reply.headers)),
        trailer_fields_(fields_of(reply.trailers)),
        headers_(header_fields_),
        trailers_(trailer_fields_),
        status_message_(as_utf8(reply.status_message, status_scratch_)),
        content_type_(as_utf8(reply.content_type, content_scratch_)) {
    status_size_ = wire::number_size(static_cast<std::uint64_t>(reply.status)) +
                   wire::text_size(status_message_.size());
    for (const auto& detail : reply.status_details) status_size_ += wire::field_size(detail.size());
    message_size_ = wire::text_size(content_type_.size());
    if (with_data_) message_size_ += wire::field_size(any_size(reply.type_url, data_.size()));
  }

  // InternalInvokeResponse{status = 1, headers = 2, trailers = 3, message = 4}
  [[nodiscard]] std::size_t size() const {
    return wire::field_size(status_size_) + headers_.size() + trailers_.size() +
           wire::field_size(message_size_);
  }
  void put(std::string& out) const {
    // Status{code = 1, message = 2, details = 3}
    wire::put_head(out, 1, status_size_);
    wire::put_number(out, 1, static_cast<std::uint64_t>(reply_.status));
    wire::put_text(out, 2, status_message_);
    for (const auto& detail : reply_.status_details) {
      wire::put_head(out, 3, detail.size());
      out.append(detail);
    }
    headers_.append(out, 2);
    trailers_.append(out, 3);
    // InvokeResponse{data = 1, content_type = 2}
    wire::put_head(out, 4, message_size_);
    if (with_data_) put_any(out, 1, reply_.type_url, data_);
    wire::put_text(out, 2, content_type_);
  }

 private:
  const Reply& reply_;
  std::string_view data_;
  bool with_data_;
  std::vector<Field> header_fields_, trailer_fields_;
  MetadataMap headers_, trailers_;
  std::string status_scratch_, content_scratch_;
  std::string_view status_message_, content_type_;
  std::size_t status_size_ = 0;
  std::size_t message_size_ = 0;
};

/// Writes ...Stream{first = 1, payload = 2}, where `head` may be nullptr.
template <class Writer>
void put_chunk(std::string& out, const Writer* head, const std::optional<Payload>& payload) {
  std::size_t size = head != nullptr ? wire::field_size(head->size()) : 0;
  if (payload) size += wire::field_size(payload_size(*payload));
  out.reserve(out.size() + size);
  if (head != nullptr) {
    wire::put_head(out, 1, head->size());
    head->put(out);
  }
  if (payload) put_payload(out, *payload);
}

}  // namespace

void encode_request_chunk(std::string& out, const RequestView* request,
                          const std::optional<Payload>& payload) {
  std::optional<RequestWriter> head;
  if (request != nullptr) head.emplace(*request, std::string_view(), false);
  put_chunk(out, head ? &*head : nullptr, payload);
}

void encode_request(std::string& out, const RequestView& request, std::string_view data) {
  const RequestWriter writer(request, data, true);
  out.reserve(out.size() + writer.size());
  writer.put(out);
}

void encode_reply_chunk(std::string& out, const Reply* reply,
                        const std::optional<Payload>& payload) {
  std::optional<ReplyWriter> head;
  if (reply != nullptr) head.emplace(*reply, std::string_view(), false);
  put_chunk(out, head ? &*head : nullptr, payload);
}

void encode_reply(std::string& out, const Reply& reply, std::string_view data) {
  const ReplyWriter writer(reply, data, true);
  out.reserve(out.size() + writer.size());
  writer.put(out);
}

void encode_message(std::string& out, const RequestView& request) {
  RequestView clean = request;
  std::string method, query, content_type;
  clean.method = as_utf8(clean.method, method);
  clean.query = as_utf8(clean.query, query);
  clean.content_type = as_utf8(clean.content_type, content_type);
  put_message(out, clean);
}

void finish_message(std::string& out, std::string_view type_url, std::string_view data) {
  put_any(out, 2, type_url, data);
}

void encode_invoke_response(std::string& out, const InvokeResponse& response) {
  put_any(out, 1, response.type_url, response.data);
  std::string scratch;
  wire::put_text(out, 2, as_utf8(response.content_type, scratch));
}

namespace {

bool read_payload(std::string_view bytes, std::optional<Payload>& into) {
  Payload& payload = into ? *into : into.emplace();
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1)) payload.data = reader.bytes();
    if (reader.is_number(2)) payload.seq = reader.number();
  }
  return reader.ok();
}

bool read_any(std::string_view bytes, std::string_view& type_url, std::string_view& value) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1)) type_url = reader.bytes();
    if (reader.is_bytes(2)) value = reader.bytes();
  }
  return reader.ok();
}

/// One entry of a metadata map.
template <class Add>
bool read_entry(std::string_view bytes, Add&& add) {
  std::string_view name, list;
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1)) name = reader.bytes();
    if (reader.is_bytes(2)) list = reader.bytes();
  }
  if (!reader.ok()) return false;
  Reader values(list);
  while (values.next()) {
    if (values.is_bytes(1)) add(name, values.bytes());
  }
  return values.ok();
}

bool read_extension(std::string_view bytes, RequestView& request) {
  request.has_http_extension = true;
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_number(1)) {
      const bool known = reader.number() <= static_cast<std::uint64_t>(Verb::patch);
      request.verb = known ? static_cast<Verb>(reader.number()) : Verb::none;
    }
    if (reader.is_bytes(2)) request.query = reader.bytes();
  }
  return reader.ok();
}

bool read_message(std::string_view bytes, RequestView& request, std::string_view& data) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1)) request.method = reader.bytes();
    if (reader.is_bytes(2) && !read_any(reader.bytes(), request.type_url, data)) return false;
    if (reader.is_bytes(3)) request.content_type = reader.bytes();
    if (reader.is_bytes(4) && !read_extension(reader.bytes(), request)) return false;
  }
  return reader.ok();
}

bool read_request(std::string_view bytes, RequestChunk& chunk) {
  bool metadata = false;
  bool message = false;
  chunk.request.metadata.reserve(24);
  const auto add = [&chunk](std::string_view name, std::string_view value) {
    chunk.request.metadata.push_back({name, value});
  };
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(2)) {
      metadata = true;
      if (!read_entry(reader.bytes(), add)) return false;
    }
    if (reader.is_bytes(3)) {
      message = true;
      if (!read_message(reader.bytes(), chunk.request, chunk.data)) return false;
    }
  }
  chunk.has_request = metadata || message;
  chunk.is_complete = metadata && message;
  return reader.ok();
}

bool read_status(std::string_view bytes, Reply& reply) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_number(1)) reply.status = static_cast<int>(reader.number());
    if (reader.is_bytes(2)) reply.status_message = reader.bytes();
    if (reader.is_bytes(3)) reply.status_details.emplace_back(reader.bytes());
  }
  return reader.ok();
}

bool read_response(std::string_view bytes, InvokeResponse& response) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1) && !read_any(reader.bytes(), response.type_url, response.data)) {
      return false;
    }
    if (reader.is_bytes(2)) response.content_type = reader.bytes();
  }
  return reader.ok();
}

bool read_reply(std::string_view bytes, ReplyChunk& chunk) {
  Reply& reply = chunk.reply;
  const auto into = [](net::Headers& headers) {
    return [&headers](std::string_view name, std::string_view value) { headers.add(name, value); };
  };
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() <= 4) chunk.has_reply = true;
    if (reader.is_bytes(1)) {
      chunk.has_status = true;
      if (!read_status(reader.bytes(), reply)) return false;
    }
    if (reader.is_bytes(2)) {
      if (reply.headers.empty()) reply.headers.reserve(16, 512);
      if (!read_entry(reader.bytes(), into(reply.headers))) return false;
    }
    if (reader.is_bytes(3) && !read_entry(reader.bytes(), into(reply.trailers))) return false;
    if (reader.is_bytes(4)) {
      InvokeResponse response;
      if (!read_response(reader.bytes(), response)) return false;
      reply.content_type = response.content_type;
      reply.type_url = response.type_url;
      reply.body.whole = response.data;
    }
  }
  return reader.ok();
}

}  // namespace

Result<RequestChunk> decode_request_chunk(std::string_view bytes) {
  RequestChunk chunk;
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1) && !read_request(reader.bytes(), chunk)) return malformed();
    if (reader.is_bytes(2) && !read_payload(reader.bytes(), chunk.payload)) return malformed();
  }
  if (!reader.ok()) return malformed();
  return chunk;
}

Result<RequestChunk> decode_request(std::string_view bytes) {
  RequestChunk chunk;
  if (!read_request(bytes, chunk)) return malformed();
  return chunk;
}

Result<ReplyChunk> decode_reply_chunk(std::string_view bytes) {
  ReplyChunk chunk;
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1) && !read_reply(reader.bytes(), chunk)) return malformed();
    if (reader.is_bytes(2) && !read_payload(reader.bytes(), chunk.payload)) return malformed();
  }
  if (!reader.ok()) return malformed();
  return chunk;
}

Result<ReplyChunk> decode_reply(std::string_view bytes) {
  ReplyChunk chunk;
  if (!read_reply(bytes, chunk)) return malformed();
  return chunk;
}

Result<ServiceRequest> decode_service_request(std::string_view bytes) {
  ServiceRequest service;
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.is_bytes(1)) service.app = reader.bytes();
    if (!reader.is_bytes(3)) continue;
    service.has_message = true;
    if (!read_message(reader.bytes(), service.request, service.data)) return malformed();
  }
  if (!reader.ok()) return malformed();
  return service;
}

Result<InvokeResponse> decode_invoke_response(std::string_view bytes) {
  InvokeResponse response;
  if (!read_response(bytes, response)) return malformed();
  return response;
}

std::vector<std::string> split_details(std::string_view details_bin) {
  std::vector<std::string> details;
  Reader reader(details_bin);
  while (reader.next()) {
    if (reader.is_bytes(3)) details.emplace_back(reader.bytes());
  }
  if (!reader.ok()) details.clear();
  return details;
}

std::string join_details(int code, std::string_view message,
                         const std::vector<std::string>& details) {
  std::string out;
  if (details.empty()) return out;
  // google.rpc.Status has the same fields as the internal one.
  wire::put_number(out, 1, static_cast<std::uint64_t>(code));
  wire::put_text(out, 2, message);
  for (const std::string& detail : details) {
    wire::put_head(out, 3, detail.size());
    out.append(detail);
  }
  return out;
}

}  // namespace outrigger::runtime::invoke
