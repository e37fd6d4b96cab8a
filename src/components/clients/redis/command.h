#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "components/clients/redis/script.h"

namespace outrigger::components::redis {

/// The slot of a cluster that a key belongs to: CRC16 (XMODEM) of the key, or of what is between
/// its first { and the next } if that is not empty, modulo 16384.
inline constexpr std::size_t kSlots = 16384;
[[nodiscard]] std::uint16_t key_slot(std::string_view key) noexcept;

/// One command, ready to be sent. Not changed once made; copied only to be sent again.
class Command {
 public:
  /// Whether it does harm to run the command twice, when it is unknown if the first was done.
  enum class Repeat : std::uint8_t { harmless, harmful };

  /// A command without a key: any node may run it.
  static Command keyless(std::initializer_list<std::string_view> words) {
    return make({words.begin(), words.size()}, std::nullopt);
  }
  /// A command for the node that has `key`, which is also among `words`.
  static Command keyed(std::string_view key, std::initializer_list<std::string_view> words) {
    return make({words.begin(), words.size()}, key_slot(key));
  }
  static Command make(std::span<const std::string_view> words, std::optional<std::uint16_t> slot);
  /// Runs a script by its name. `words` are the number of keys, the keys and the arguments.
  static Command evaluate(const Script& script, std::span<const std::string_view> words,
                          std::optional<std::uint16_t> slot);
  /// The same with the script's text, for a server that does not know the name. Only for a command
  /// made by evaluate().
  [[nodiscard]] Command in_full() const;
  [[nodiscard]] bool is_script() const noexcept { return script_ != nullptr; }

  [[nodiscard]] Command once_only() && {
    repeat_ = Repeat::harmful;
    return std::move(*this);
  }

  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::optional<std::uint16_t> slot() const noexcept { return slot_; }
  [[nodiscard]] Repeat repeat() const noexcept { return repeat_; }

 private:
  Command() = default;
  std::string bytes_;
  const Script* script_ = nullptr;
  std::optional<std::uint16_t> slot_;
  Repeat repeat_ = Repeat::harmless;
};

}  // namespace outrigger::components::redis
