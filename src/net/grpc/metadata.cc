#include "net/grpc/metadata.h"

#include "base/base64.h"
#include "base/strings.h"

namespace outrigger::net::grpc {

bool is_reserved(std::string_view name) noexcept {
  if (name.starts_with(':')) return true;
  switch (name.size()) {
    case 2: return name == "te";
    case 10: return name == "user-agent";
    case 11: return name == "grpc-status";
    case 12: return name == "content-type" || name == "grpc-timeout" || name == "grpc-message";
    case 13: return name == "grpc-encoding";
    case 17: return name == "grpc-message-type";
    default: return false;
  }
}

bool is_binary(std::string_view name) noexcept { return name.ends_with("-bin"); }

std::string encode_value(std::string_view name, std::string_view value) {
  if (!is_binary(name)) return std::string(value);
  return base64_encode(value, Base64Alphabet::standard, Base64Padding::raw);
}

Result<std::string> decode_value(std::string_view name, std::string_view value) {
  if (!is_binary(name)) return std::string(value);
  if (auto bytes = base64_decode_any(value)) return std::move(*bytes);
  return fail(Code::internal, "malformed binary metadata " + quoted(value) + " in header " +
                                  quoted(name) + ": illegal base64 data");
}

Result<void> check_metadata(std::string_view name, std::string_view value) {
  if (name.empty()) return fail(Code::internal, "there is an empty key in the header");
  if (name.front() == ':') return {};
  for (const char c : name) {
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (good) continue;
    return fail(Code::internal,
                "header key " + quoted(name) + " contains illegal characters not in [0-9a-z-_.]");
  }
  if (is_binary(name)) return {};
  for (const char c : value) {
    if (c >= 0x20 && c <= 0x7e) continue;
    return fail(Code::internal, "header key " + quoted(name) +
                                    " contains value with non-printable ASCII characters");
  }
  return {};
}

void append_metadata(Headers& fields, std::string_view name, std::string_view value) {
  if (is_reserved(name)) return;
  if (is_binary(name)) {
    fields.add(name, encode_value(name, value));
  } else {
    fields.add(name, value);
  }
}

std::optional<std::string_view> content_subtype(std::string_view content_type) noexcept {
  constexpr std::string_view kBase = "application/grpc";
  if (!starts_with_fold(content_type, kBase)) return std::nullopt;
  content_type.remove_prefix(kBase.size());
  if (content_type.empty()) return content_type;
  if (content_type.front() != '+' && content_type.front() != ';') return std::nullopt;
  return content_type.substr(1);
}

}  // namespace outrigger::net::grpc
