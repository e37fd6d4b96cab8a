#include "runtime/actors/bytes_value.h"

namespace outrigger::runtime::actors {
namespace {

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;
constexpr std::uint32_t kFixed32 = 5;

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7f) | 0x80));
  out.push_back(static_cast<char>(value));
}

std::optional<std::uint64_t> take_varint(std::string_view& rest) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> take(std::string_view& rest, std::uint64_t bytes) {
  if (bytes > rest.size()) return std::nullopt;
  const std::string_view taken = rest.substr(0, bytes);
  rest.remove_prefix(bytes);
  return taken;
}

/// Calls visit(number, bytes) for each length-delimited field; false if malformed.
template <class Visit>
bool for_each_bytes_field(std::string_view rest, Visit visit) {
  while (!rest.empty()) {
    const auto tag = take_varint(rest);
    if (!tag) return false;
    switch (*tag & 7) {
      case kVarint:
        if (!take_varint(rest)) return false;
        break;
      case kFixed64:
        if (!take(rest, 8)) return false;
        break;
      case kFixed32:
        if (!take(rest, 4)) return false;
        break;
      case kBytes: {
        const auto length = take_varint(rest);
        if (!length) return false;
        const auto bytes = take(rest, *length);
        if (!bytes || !visit(*tag >> 3, *bytes)) return false;
        break;
      }
      default: return false;
    }
  }
  return true;
}

}  // namespace

void append_field(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_varint(out, number << 3 | kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}

std::string bytes_value(std::string_view bytes) {
  std::string out;
  if (!bytes.empty()) append_field(out, 1, bytes);
  return out;
}

std::optional<std::string> bytes_of_value(std::string_view message) {
  std::string value;
  const bool sound = for_each_bytes_field(message, [&](std::uint64_t number, std::string_view b) {
    if (number == 1) value = b;
    return true;
  });
  if (!sound) return std::nullopt;
  return value;
}

void append_actor(std::string& out, std::string_view type, std::string_view id) {
  std::string actor;
  if (!type.empty()) append_field(actor, 1, type);
  if (!id.empty()) append_field(actor, 2, id);
  append_field(out, 4, actor);
}

std::optional<ActorView> actor_of_request(std::string_view message) {
  ActorView actor;
  const auto read_actor = [&](std::uint64_t number, std::string_view bytes) {
    if (number == 1) actor.type = bytes;
    if (number == 2) actor.id = bytes;
    return true;
  };
  const bool sound = for_each_bytes_field(message, [&](std::uint64_t number, std::string_view b) {
    return number != 4 || for_each_bytes_field(b, read_actor);
  });
  if (!sound) return std::nullopt;
  return actor;
}

}  // namespace outrigger::runtime::actors
