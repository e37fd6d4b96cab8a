#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

/// DNS messages (RFC 1035, with RFC 2782 and the class bits of RFC 6762) as values, and their
/// bytes. Nothing here does I/O.
namespace outrigger::net::dns {

enum class Type : std::uint16_t { a = 1, ptr = 12, txt = 16, aaaa = 28, srv = 33, any = 255 };

inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::uint16_t kClassAny = 255;

/// A message of mDNS may be so long (RFC 6762, section 17).
inline constexpr std::size_t kMessageBytesMax = 9000;
/// Labels and names (RFC 1035, section 2.3.4); a name's bytes are those on the wire.
inline constexpr std::size_t kLabelBytesMax = 63;
inline constexpr std::size_t kNameBytesMax = 255;

/// Names are text: labels with dots between them, none at the end. A dot or a backslash inside a
/// label has a backslash before it; every other byte stands for itself. The root is "".
struct Question {
  std::string name;
  Type type = Type::any;
  std::uint16_t qclass = kClassIn;
  /// mDNS: an answer to the asker alone is welcome.
  bool unicast = false;
  bool operator==(const Question&) const = default;
};

struct Ptr {
  std::string target;
  bool operator==(const Ptr&) const = default;
};
struct Srv {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target;
  bool operator==(const Srv&) const = default;
};
struct Txt {
  std::vector<std::string> strings;  ///< At most 255 bytes each.
  bool operator==(const Txt&) const = default;
};
struct A {
  std::array<std::uint8_t, 4> address{};
  bool operator==(const A&) const = default;
};
struct Aaaa {
  std::array<std::uint8_t, 16> address{};
  bool operator==(const Aaaa&) const = default;
};
/// Record data of a type that this codec does not know.
struct Other {
  std::uint16_t type = 0;
  std::string data;
  bool operator==(const Other&) const = default;
};

struct Record {
  std::string name;
  std::variant<Ptr, Srv, Txt, A, Aaaa, Other> data;
  std::uint32_t ttl_seconds = 0;
  std::uint16_t rclass = kClassIn;
  /// mDNS: what was known under this name and type before is outdated.
  bool flush = false;
  bool operator==(const Record&) const = default;

  [[nodiscard]] Type type() const noexcept;
};

struct Message {
  std::uint16_t id = 0;
  bool response = false;
  bool authoritative = false;
  bool truncated = false;
  std::uint8_t opcode = 0;
  std::uint8_t rcode = 0;
  std::vector<Question> questions;
  std::vector<Record> answers;
  std::vector<Record> authorities;
  std::vector<Record> additionals;
  bool operator==(const Message&) const = default;
};

/// Reads one message. Code::invalid_argument if it is not well-formed or longer than
/// kMessageBytesMax; bytes after the last record are let be. Memory and time are bounded by the
/// length: pointers in names lead strictly backwards.
[[nodiscard]] Result<Message> parse(std::string_view bytes);

/// The bytes of a message, names compressed. Code::invalid_argument if a label, a name, a text or
/// the whole is too long, or a label is empty.
[[nodiscard]] Result<std::string> serialise(const Message& message);

/// Names are the same whatever the case of ASCII letters.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;
/// Whether `name` is below `parent`: "x.y.local" is below "y.local".
[[nodiscard]] bool is_below(std::string_view name, std::string_view parent) noexcept;
/// The text of a name that has `label`, with any bytes in it, as one label.
[[nodiscard]] std::string escape_label(std::string_view label);
/// Whether a message can carry the name.
[[nodiscard]] bool is_valid_name(std::string_view name);

}  // namespace outrigger::net::dns
