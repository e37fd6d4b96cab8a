#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace outrigger {

enum class LogLevel : std::uint8_t { debug, info, warn, error, fatal };

/// debug info warn error fatal, in any case; nullopt for others.
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name) noexcept;
/// "debug" ... as written in options.
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

/// How every logger of the process writes.
struct LogOptions {
  /// The field app_id; left out if empty.
  std::string app_id;
  LogLevel level = LogLevel::info;
  bool as_json = false;
  /// Appended to, created with mode 0644; empty means standard output.
  std::string file;
};

/// Replaces the settings of all loggers. May be called again while others log. An error if the
/// file cannot be opened; then nothing changes.
Result<> configure_logging(const LogOptions& options);

/// A piece of a message or the value of a field: text, a number, a truth value or a duration (as
/// Go prints it). Refers to the text it was made of.
class LogPart {
 public:
  // Meant to convert, so that the functions of Logger take what there is to say.
  LogPart(std::string_view text) noexcept : text_(text) {}
  LogPart(const char* text) noexcept : text_(text) {}
  LogPart(const std::string& text) noexcept : text_(text) {}
  LogPart(const Error& error) noexcept : text_(error.message()) {}
  LogPart(bool truth) noexcept : kind_(Kind::boolean), number_(truth) {}
  template <class Number>
    requires(std::integral<Number> && !std::same_as<Number, bool>)
  LogPart(Number number) noexcept
      : kind_(std::is_signed_v<Number> ? Kind::signed_number : Kind::unsigned_number),
        number_(static_cast<std::int64_t>(number)) {}
  LogPart(double number) noexcept : kind_(Kind::real), real_(number) {}
  LogPart(std::chrono::nanoseconds duration) noexcept
      : kind_(Kind::duration), number_(duration.count()) {}

  void append_to(std::string& out) const;
  /// As a JSON value: numbers and truth values bare, the rest in quotes.
  void append_json_to(std::string& out) const;

 private:
  enum class Kind : std::uint8_t { text, boolean, signed_number, unsigned_number, real, duration };
  Kind kind_ = Kind::text;
  std::string_view text_;
  union {
    std::int64_t number_ = 0;
    double real_;
  };
};

struct LogField {
  std::string_view key;
  LogPart value;
};

/// A named source of log lines; the name is the field `scope`. Make one per scope with static
/// storage: `const Logger log("dapr.runtime");`. Every member may be called from any thread; a line
/// is written by one write(2). A level that is off costs one relaxed load.
class Logger {
 public:
  /// `always` lets lines of level info through whatever the level is: for API call logs.
  enum class Threshold : std::uint8_t { configured, always };

  explicit constexpr Logger(std::string_view scope,
                            Threshold threshold = Threshold::configured) noexcept
      : scope_(scope), threshold_(threshold) {}

  [[nodiscard]] bool enabled(LogLevel level) const noexcept {
    return level >= level_.load(std::memory_order_relaxed) ||
           (threshold_ == Threshold::always && level >= LogLevel::info);
  }

  /// The parts one after the other are the message.
  template <class... Parts>
  void debug(const Parts&... parts) const {
    if (enabled(LogLevel::debug)) write(LogLevel::debug, {LogPart(parts)...}, {});
  }
  template <class... Parts>
  void info(const Parts&... parts) const {
    if (enabled(LogLevel::info)) write(LogLevel::info, {LogPart(parts)...}, {});
  }
  template <class... Parts>
  void warn(const Parts&... parts) const {
    if (enabled(LogLevel::warn)) write(LogLevel::warn, {LogPart(parts)...}, {});
  }
  template <class... Parts>
  void error(const Parts&... parts) const {
    if (enabled(LogLevel::error)) write(LogLevel::error, {LogPart(parts)...}, {});
  }
  /// Writes the line and ends the process at once with exit code 1; no destructors run.
  template <class... Parts>
  [[noreturn]] void fatal(const Parts&... parts) const {
    write(LogLevel::fatal, {LogPart(parts)...}, {});
    leave();
  }

  /// A message with fields of its own, which come sorted among the common ones.
  void log(LogLevel level, std::string_view message, std::span<const LogField> fields) const {
    if (enabled(level)) write(level, {LogPart(message)}, fields);
  }

 private:
  void write(LogLevel level, std::initializer_list<LogPart> parts,
             std::span<const LogField> fields) const;
  [[noreturn]] static void leave();
  friend Result<> configure_logging(const LogOptions&);
  friend class LogCapture;

  static std::atomic<LogLevel> level_;
  std::string_view scope_;
  Threshold threshold_;
};

/// While it lives, log lines are collected instead of written, and the settings are its own; then
/// the settings are the default ones again. One at a time, for tests.
class LogCapture {
 public:
  explicit LogCapture(LogOptions options = {});
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  /// All lines until now.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool contains(std::string_view part) const;
};

}  // namespace outrigger
