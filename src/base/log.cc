#include "base/log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace outrigger {
namespace {

enum class Shape : std::uint8_t { text, json, terminal };

/// What configure_logging() set, never changed once published: writers hold no lock.
struct Settings {
  std::string app_id;
  std::string instance;
  Shape shape = Shape::text;
  int fd = STDOUT_FILENO;
};

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

/// All settings there ever were: a writer may still hold an older one. They change a few times in
/// the life of a process.
struct History {
  std::mutex mutex;
  std::vector<std::unique_ptr<const Settings>> all;
};

History& history() {
  static auto* const instance = new History;  // Outlives static destructors that log.
  return *instance;
}

std::atomic<const Settings*> current_settings = nullptr;

const Settings& publish(std::unique_ptr<const Settings> settings) {
  History& kept = history();
  const std::scoped_lock lock(kept.mutex);
  kept.all.push_back(std::move(settings));
  current_settings.store(kept.all.back().get(), std::memory_order_release);
  return *kept.all.back();
}

Shape shape_of(bool as_json, int fd) {
  if (as_json) return Shape::json;
  return ::isatty(fd) == 1 ? Shape::terminal : Shape::text;
}

const Settings& settings() {
  if (const Settings* known = current_settings.load(std::memory_order_acquire)) return *known;
  return publish(std::make_unique<Settings>(
      Settings{.instance = host_name(), .shape = shape_of(false, STDOUT_FILENO)}));
}

/// Where lines go while a LogCapture lives.
struct Captured {
  std::atomic<bool> on = false;
  std::mutex mutex;
  std::string lines;
};

Captured& captured() {
  static auto* const instance = new Captured;
  return *instance;
}

/// The level as it is printed, which is not in every case as it is configured.
std::string_view printed(LogLevel level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error", "fatal"};
  return kNames[static_cast<std::size_t>(level)];
}

bool is_bare(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::strchr("-._/@^+", c) != nullptr);
  });
}

void append_text_value(std::string& out, const LogPart& value) {
  const std::size_t start = out.size();
  value.append_to(out);
  const std::string_view plain(out.data() + start, out.size() - start);
  if (is_bare(plain)) return;
  const std::string copy(plain);
  out.resize(start);
  append_quoted(out, copy);
}

struct Line {
  std::chrono::nanoseconds since_start;
  std::string_view time;
  LogLevel level;
  std::string_view message;
  std::span<const LogField> fields;  // Sorted by key.
};

void append_text(std::string& out, const Line& line) {
  out += "time=";
  append_text_value(out, line.time);
  out += " level=";
  out += printed(line.level);
  if (!line.message.empty()) {
    out += " msg=";
    append_text_value(out, line.message);
  }
  for (const LogField& field : line.fields) {
    out += ' ';
    out += field.key;
    out += '=';
    append_text_value(out, field.value);
  }
}

void append_terminal(std::string& out, const Line& line) {
  constexpr std::string_view kColors[] = {"37", "36", "33", "31", "31"};
  const std::string_view color = kColors[static_cast<std::size_t>(line.level)];
  const auto colored = [&](std::string_view text) {
    out += "\x1b[";
    out += color;
    out += 'm';
    out += text;
    out += "\x1b[0m";
  };
  colored(to_upper(printed(line.level)).substr(0, 4));
  out += '[';
  const std::string seconds =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(line.since_start).count());
  if (seconds.size() < 4) out.append(4 - seconds.size(), '0');
  out += seconds;
  out += "] ";
  std::string_view message = line.message;
  if (message.ends_with('\n')) message.remove_suffix(1);
  out += message;
  if (message.size() < 44) out.append(44 - message.size(), ' ');
  out += ' ';
  for (const LogField& field : line.fields) {
    out += ' ';
    colored(field.key);
    out += '=';
    append_text_value(out, field.value);
  }
}

void append_json(std::string& out, const Line& line) {
  const LogField own[] = {
      {"level", printed(line.level)}, {"msg", line.message}, {"time", line.time}};
  std::size_t next = 0;
  out += '{';
  const auto write = [&](const LogField& field) {
    if (out.back() != '{') out += ',';
    json::append_string(out, field.key);
    out += ':';
    field.value.append_json_to(out);
  };
  for (const LogField& field : line.fields) {
    while (next < std::size(own) && own[next].key < field.key) write(own[next++]);
    write(field);
  }
  while (next < std::size(own)) write(own[next++]);
  out += '}';
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // Nowhere is left to report it to.
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void append_real(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
  } else {
    json::append_double(out, value);
  }
}

/// The fields every line has and its own, sorted by key; its own win.
std::vector<LogField> with_common_fields(const Settings& how, std::string_view scope,
                                         std::span<const LogField> own) {
  std::vector<LogField> all;
  all.reserve(own.size() + 5);
  const auto add = [&](std::string_view key, std::string_view value) {
    if (std::ranges::find(own, key, &LogField::key) == own.end()) all.push_back({key, value});
  };
  if (!how.app_id.empty()) add("app_id", how.app_id);
  add("instance", how.instance);
  add("scope", scope);
  add("type", "log");
  add("ver", build_version());
  all.insert(all.end(), own.begin(), own.end());
  if (!own.empty()) std::ranges::sort(all, {}, &LogField::key);
  return all;
}

const auto kStarted = std::chrono::steady_clock::now();

}  // namespace

std::atomic<LogLevel> Logger::level_ = LogLevel::info;

std::optional<LogLevel> parse_log_level(std::string_view name) noexcept {
  for (const auto level :
       {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::fatal}) {
    if (equals_fold(name, to_string(level))) return level;
  }
  return std::nullopt;
}

std::string_view to_string(LogLevel level) noexcept {
  return level == LogLevel::warn ? "warn" : printed(level);
}

Result<> configure_logging(const LogOptions& options) {
  int fd = STDOUT_FILENO;
  if (!options.file.empty()) {
    fd = ::open(options.file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
      const int error = errno;
      return fail(Code::invalid_argument, "failed to open log file " + quoted(options.file) +
                                              ": open " + options.file + ": " +
                                              std::strerror(error));
    }
  }
  // The previous file stays open: another thread may be about to write to it.
  publish(std::make_unique<Settings>(Settings{.app_id = options.app_id,
                                              .instance = host_name(),
                                              .shape = shape_of(options.as_json, fd),
                                              .fd = fd}));
  Logger::level_.store(options.level, std::memory_order_relaxed);
  return {};
}

void LogPart::append_to(std::string& out) const {
  switch (kind_) {
    case Kind::text: out += text_; return;
    case Kind::boolean: out += number_ != 0 ? "true" : "false"; return;
    case Kind::signed_number: append_int(out, number_); return;
    case Kind::unsigned_number: append_uint(out, static_cast<std::uint64_t>(number_)); return;
    case Kind::real: append_real(out, real_); return;
    case Kind::duration: out += format_duration(std::chrono::nanoseconds(number_)); return;
  }
}

void LogPart::append_json_to(std::string& out) const {
  if (kind_ == Kind::text) {
    json::append_string(out, text_);
  } else if (kind_ == Kind::real) {
    json::append_double(out, real_);
  } else if (kind_ == Kind::duration) {
    json::append_string(out, format_duration(std::chrono::nanoseconds(number_)));
  } else {
    append_to(out);
  }
}

void Logger::write(LogLevel level, std::initializer_list<LogPart> parts,
                   std::span<const LogField> fields) const {
  const Settings& how = settings();
  std::string time;
  append_rfc3339_nano_local(time, wall_now());
  std::string joined;
  for (const LogPart& part : parts) part.append_to(joined);
  const auto all = with_common_fields(how, scope_, fields);
  const Line line{std::chrono::steady_clock::now() - kStarted, time, level, joined, all};
  std::string out;
  out.reserve(joined.size() + 256);
  switch (how.shape) {
    case Shape::text: append_text(out, line); break;
    case Shape::json: append_json(out, line); break;
    case Shape::terminal: append_terminal(out, line); break;
  }
  out += '\n';
  if (Captured& capture = captured(); capture.on.load(std::memory_order_acquire)) {
    const std::scoped_lock lock(capture.mutex);
    capture.lines += out;
    return;
  }
  write_all(how.fd, out);
}

void Logger::leave() { std::_Exit(1); }

LogCapture::LogCapture(LogOptions options) {
  publish(
      std::make_unique<Settings>(Settings{.app_id = std::move(options.app_id),
                                          .instance = host_name(),
                                          .shape = options.as_json ? Shape::json : Shape::text}));
  Logger::level_.store(options.level, std::memory_order_relaxed);
  OUT_ASSERT(!captured().on.exchange(true));
}

LogCapture::~LogCapture() {
  {
    const std::scoped_lock lock(captured().mutex);
    captured().lines.clear();
    captured().on.store(false, std::memory_order_release);
  }
  publish(std::make_unique<Settings>(
      Settings{.instance = host_name(), .shape = shape_of(false, STDOUT_FILENO)}));
  Logger::level_.store(LogLevel::info, std::memory_order_relaxed);
}

std::string LogCapture::text() const {
  const std::scoped_lock lock(captured().mutex);
  return captured().lines;
}

bool LogCapture::contains(std::string_view part) const {
  return text().find(part) != std::string::npos;
}

}  // namespace outrigger
