#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// As much of the protobuf wire format as google.rpc.Status needs. Private to this folder.
namespace outrigger::net::grpc::wire {

void append_varint(std::string& out, std::uint64_t value);
/// Nothing for 0, as proto3 has it.
void append_number(std::string& out, std::uint32_t field, std::uint64_t value);
/// Strings and messages; append_text() leaves out an empty one, as proto3 has it for strings.
void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes);
void append_text(std::string& out, std::uint32_t field, std::string_view text);

struct Field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;  ///< Of a varint.
  std::string_view bytes;   ///< Of a length-delimited field.
  bool is_bytes = false;
};

/// Goes through the fields of a message. Fixed-width fields are passed over; groups are malformed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  /// nullopt at the end, or if the bytes are malformed: then ok() is false.
  std::optional<Field> next();
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  std::optional<std::uint64_t> varint();
  bool skip(std::size_t bytes);

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace outrigger::net::grpc::wire
