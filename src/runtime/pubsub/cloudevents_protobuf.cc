#include "runtime/pubsub/cloudevents_protobuf.h"

#include "base/strings.h"

namespace outrigger::pubsub {
namespace {

// The wire types of protobuf.
enum class Wire : std::uint8_t { varint, fixed64, bytes, group_start, group_end, fixed32 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::varint;
  std::string_view bytes;  // Of Wire::bytes.
};

// Reads the fields of one message.
class Reader {
 public:
  explicit Reader(std::string_view message) noexcept : rest_(message) {}

  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  // False if the message is malformed. Groups are not looked into; CloudEvent has none.
  bool next(Field& field) {
    std::uint64_t tag = 0;
    if (!varint(tag)) return false;
    field.number = tag >> 3;
    const auto wire = static_cast<std::uint8_t>(tag & 7);
    if (field.number == 0 || field.number > kNumberMax || wire > 5) return false;
    field.wire = static_cast<Wire>(wire);
    switch (field.wire) {
      case Wire::varint: return varint(tag);
      case Wire::fixed64: return skip(8);
      case Wire::fixed32: return skip(4);
      case Wire::bytes: return bytes(field.bytes);
      default: return false;
    }
  }

 private:
  static constexpr std::uint64_t kNumberMax = (1U << 29) - 1;

  bool varint(std::uint64_t& value) noexcept {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool skip(std::size_t size) noexcept {
    if (rest_.size() < size) return false;
    rest_.remove_prefix(size);
    return true;
  }
  bool bytes(std::string_view& content) noexcept {
    std::uint64_t size = 0;
    if (!varint(size) || size > rest_.size()) return false;
    content = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

// CloudEventAttributeValue: a oneof of which one must be set; 3 and 5, 6 are texts, 7 a Timestamp.
bool is_attribute_value(std::string_view message) {
  Reader reader(message);
  Field field;
  bool known = false;
  while (!reader.done()) {
    if (!reader.next(field)) return false;
    const bool text = field.number == 3 || field.number == 5 || field.number == 6;
    if (text && field.wire == Wire::bytes && !is_utf8(field.bytes)) return false;
    known |= field.number >= 1 && field.number <= 7;
  }
  return known;
}

// An entry of the map `attributes`.
bool is_attribute(std::string_view message) {
  Reader reader(message);
  Field field;
  bool value = false;
  while (!reader.done()) {
    if (!reader.next(field)) return false;
    if (field.wire != Wire::bytes) continue;
    if (field.number == 1 && !is_utf8(field.bytes)) return false;
    if (field.number == 2) {
      if (!is_attribute_value(field.bytes)) return false;
      value = true;
    }
  }
  return value;
}

// google.protobuf.Any, whose first field is the type's URL.
bool is_any(std::string_view message) {
  Reader reader(message);
  Field field;
  while (!reader.done()) {
    if (!reader.next(field)) return false;
    if (field.number == 1 && field.wire == Wire::bytes && !is_utf8(field.bytes)) return false;
  }
  return true;
}

}  // namespace

bool is_protobuf_cloud_event(std::string_view bytes) {
  Reader reader(bytes);
  Field field;
  while (!reader.done()) {
    if (!reader.next(field)) return false;
    if (field.wire != Wire::bytes) continue;
    // 1 id, 2 source, 3 spec_version, 4 type, 7 text_data; 5 attributes; 8 proto_data.
    const bool text = field.number <= 4 || field.number == 7;
    if (text && !is_utf8(field.bytes)) return false;
    if (field.number == 5 && !is_attribute(field.bytes)) return false;
    if (field.number == 8 && !is_any(field.bytes)) return false;
  }
  return true;
}

}  // namespace outrigger::pubsub
