#include "net/grpc/status.h"

#include "base/base64.h"
#include "base/hex.h"
#include "base/strings.h"
#include "net/grpc/metadata.h"
#include "net/grpc/wire.h"

namespace outrigger::net::grpc {
namespace {

constexpr std::string_view kDetails = "grpc-status-details-bin";
constexpr std::string_view kHex = "0123456789ABCDEF";

bool plain(char c) noexcept { return c >= ' ' && c <= '~' && c != '%'; }

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

// Code and message of a serialised google.rpc.Status; nullopt if it is not one.
struct Summary {
  std::uint64_t code = 0;
  std::string_view message;
};
std::optional<Summary> summary_of(std::string_view details_bin) {
  Summary summary;
  wire::Reader reader(details_bin);
  while (const auto field = reader.next()) {
    if (field->number == 1 && !field->is_bytes) summary.code = field->value;
    if (field->number == 2 && field->is_bytes) summary.message = field->bytes;
  }
  if (!reader.ok()) return std::nullopt;
  return summary;
}

// The details only count if they are there once and speak of the same status.
Status with_details(Status status, std::uint64_t number, const Headers& trailers) {
  std::optional<std::string_view> encoded;
  for (const Headers::Field field : trailers) {
    if (field.name != kDetails) continue;
    if (encoded) return status;
    encoded = field.value;
  }
  if (!encoded) return status;
  auto bytes = base64_decode_any(*encoded);
  if (!bytes) {
    return {.code = Code::internal,
            .message = "transport: malformed grpc-status-details-bin: illegal base64 data"};
  }
  const auto summary = summary_of(*bytes);
  if (!summary) return status;
  if (summary->code != number) {
    return {.code = Code::internal,
            .message = "grpc-status-details-bin mismatch: grpc-status=" +
                       std::string(to_string(status.code)) +
                       ", grpc-message=" + quoted(status.message) +
                       ", grpc-status-details-bin=code:" + std::to_string(summary->code) +
                       " message:" + quoted(summary->message)};
  }
  status.message = summary->message;
  status.details_bin = std::move(*bytes);
  return status;
}

}  // namespace

Status to_status(const Error& error) {
  return {.code = error.code(),
          .message = error.message(),
          .details_bin = encode_details(error.code(), error.message(), error.details())};
}

Error to_error(Status status) {
  Error error(status.code, std::move(status.message));
  if (status.details_bin.empty()) return error;
  auto details = decode_details(status.details_bin);
  if (!details) return error;
  return std::move(error).with_details(std::move(*details));
}

namespace {

// HPACK decoders have a limit for a field, nghttp2's is 64 KiB, and end the connection above it,
// with all other calls on it.
constexpr std::size_t kFieldBytesMax = std::size_t{60} << 10;

/// Not more than `bytes_max`, and no half of an escape.
void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  text.resize(bytes_max);
  const std::size_t escape = text.rfind('%');
  if (escape != std::string::npos && bytes_max - escape < 3) text.resize(escape);
}

}  // namespace

void append_status(Headers& trailers, const Status& status) {
  std::string number;
  append_uint(number, static_cast<std::uint64_t>(status.code));
  trailers.add("grpc-status", number);
  const bool as_it_is = std::ranges::all_of(status.message, plain);
  std::string message = as_it_is ? status.message : encode_message(status.message);
  cut(message, kFieldBytesMax);
  trailers.add("grpc-message", message);
  if (status.details_bin.empty()) return;
  std::string details = encode_value(kDetails, status.details_bin);
  // Half of them would be none; code and message tell the most of it.
  if (details.size() <= kFieldBytesMax) trailers.add(kDetails, details);
}

Status status_of(const Headers& trailers) {
  Status status;
  status.message = decode_message(trailers.value("grpc-message"));
  const auto text = trailers.get("grpc-status");
  if (!text) {
    status.code = Code::unknown;
    return status;
  }
  const auto number = parse_int<std::int32_t>(*text);
  if (!number) {
    return {.code = Code::unknown,
            .message = "transport: malformed grpc-status: strconv.ParseInt: parsing " +
                       quoted(*text) + ": invalid syntax"};
  }
  const bool known = *number >= 0 && *number <= static_cast<int>(Code::unauthenticated);
  status.code = known ? static_cast<Code>(*number) : Code::unknown;
  return with_details(std::move(status), static_cast<std::uint64_t>(*number), trailers);
}

std::string encode_message(std::string_view message) {
  std::string out;
  out.reserve(message.size() + message.size() / 4);
  while (!message.empty()) {
    if (plain(message.front())) {
      out += message.front();
      message.remove_prefix(1);
      continue;
    }
    const Rune rune = decode_rune(message);
    std::string bytes;
    append_rune(bytes, rune.value);
    append_escaped(out, bytes);
    message.remove_prefix(rune.bytes);
  }
  return out;
}

std::string decode_message(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

Code code_of_http_status(int http_status) noexcept {
  switch (http_status) {
    case 400: return Code::internal;
    case 401: return Code::unauthenticated;
    case 403: return Code::permission_denied;
    case 404: return Code::unimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return Code::unavailable;
    default: return Code::unknown;
  }
}

Status status_of_non_grpc(int http_status, std::string_view reason, std::string_view content_type) {
  std::string message =
      "unexpected HTTP status code received from server: " + std::to_string(http_status) + " (" +
      std::string(reason) + "); ";
  if (content_type.empty()) {
    message += "malformed header: missing HTTP content-type";
  } else {
    message += "transport: received unexpected content-type " + quoted(content_type);
  }
  return {.code = code_of_http_status(http_status), .message = std::move(message)};
}

}  // namespace outrigger::net::grpc
