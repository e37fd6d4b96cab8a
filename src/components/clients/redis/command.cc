#include "components/clients/redis/command.h"

#include <array>

#include "base/strings.h"

namespace outrigger::components::redis {
namespace {

constexpr std::array<std::uint16_t, 256> kCrcTable = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

constexpr std::size_t kHeadBytes = 16;  // "$512000000\r\n" and the end, or "*" and its number.

void append_word(std::string& out, std::string_view word) {
  out += '$';
  append_uint(out, word.size());
  out += "\r\n";
  out += word;
  out += "\r\n";
}

void append_count(std::string& out, std::size_t words) {
  out += '*';
  append_uint(out, words);
  out += "\r\n";
}

std::size_t encoded_size(std::span<const std::string_view> words) noexcept {
  std::size_t size = kHeadBytes;
  for (const auto word : words) size += word.size() + kHeadBytes;
  return size;
}

constexpr std::string_view kByName = "$7\r\nEVALSHA\r\n$40\r\n";

}  // namespace

std::uint16_t key_slot(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close != open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  std::uint16_t crc = 0;
  for (const char c : key) {
    const auto index = static_cast<std::uint8_t>((crc >> 8) ^ static_cast<std::uint8_t>(c));
    crc = static_cast<std::uint16_t>((crc << 8) ^ kCrcTable[index]);
  }
  return crc % kSlots;
}

Command Command::make(std::span<const std::string_view> words, std::optional<std::uint16_t> slot) {
  Command command;
  command.slot_ = slot;
  command.bytes_.reserve(encoded_size(words));
  append_count(command.bytes_, words.size());
  for (const auto word : words) append_word(command.bytes_, word);
  return command;
}

Command Command::evaluate(const Script& script, std::span<const std::string_view> words,
                          std::optional<std::uint16_t> slot) {
  Command command;
  command.slot_ = slot;
  command.script_ = &script;
  std::string& out = command.bytes_;
  out.reserve(encoded_size(words) + kByName.size() + script.name().size() + 2);
  append_count(out, words.size() + 2);
  out += kByName;
  out += script.name();
  out += "\r\n";
  for (const auto word : words) append_word(out, word);
  return command;
}

Command Command::in_full() const {
  Command full;
  full.slot_ = slot_;
  full.repeat_ = repeat_;
  const std::size_t head = bytes_.find(kByName);
  const std::size_t rest = head + kByName.size() + script_->name().size() + 2;
  full.bytes_.reserve(bytes_.size() + script_->text.size() + kHeadBytes);
  full.bytes_.append(bytes_, 0, head);
  append_word(full.bytes_, "EVAL");
  append_word(full.bytes_, script_->text);
  full.bytes_.append(bytes_, rest);
  return full;
}

}  // namespace outrigger::components::redis
