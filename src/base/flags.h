#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace outrigger {

/// Command-line flags with the meaning and the error texts that users of upstream know (Go's
/// pflag): `--name=value`, `--name value`, `--bool`, `--bool=false`, `--` ends the flags, other
/// words are positional. `-name` is `--name`; `-h` and `--help` ask for help.
///
///   Flags flags("daprd");
///   flags.add("app-id", &options.app_id, "name of this application");
///   auto wish = flags.parse(arguments);
class Flags {
 public:
  enum class Wish : std::uint8_t { run, help };

  explicit Flags(std::string program) : program_(std::move(program)) {}

  /// A flag's default is what its target holds now. Targets must outlive parse(). Usage texts are
  /// for usage(); a word in `back quotes` names the value.
  void add(std::string name, std::string* target, std::string usage);
  void add(std::string name, bool* target, std::string usage);
  void add(std::string name, int* target, std::string usage);
  void add(std::string name, unsigned* target, std::string usage);
  void add(std::string name, std::uint64_t* target, std::string usage);
  void add(std::string name, std::chrono::nanoseconds* target, std::string usage);
  /// Comma separated (with the quotes of CSV) and repeatable; the first use replaces the default.
  void add(std::string name, std::vector<std::string>* target, std::string usage);

  /// Not shown by usage().
  void hide(std::string_view name);
  /// Hidden, and each use adds "Flag --name has been deprecated, <advice>" to notices().
  void deprecate(std::string_view name, std::string advice);

  /// An error's message is the one line that upstream prints after the usage text before it ends
  /// with exit code 2. Flags before the mistake are set.
  Result<Wish> parse(std::span<const std::string> arguments);

  /// Whether parse() met the flag.
  [[nodiscard]] bool changed(std::string_view name) const;
  [[nodiscard]] bool known(std::string_view name) const;
  /// The default as usage() prints it.
  [[nodiscard]] std::string default_of(std::string_view name) const;
  /// All names, sorted, with those of hidden flags.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] const std::vector<std::string>& positional() const noexcept { return positional_; }
  [[nodiscard]] const std::vector<std::string>& notices() const noexcept { return notices_; }
  /// "Usage of daprd:" and a line for each flag, sorted.
  [[nodiscard]] std::string usage() const;

 private:
  enum class Kind : std::uint8_t { text, boolean, integer, natural, duration, list };
  struct Flag {
    Kind kind;
    std::string usage;
    std::string fallback;
    std::string advice;
    bool hidden = false;
    bool changed = false;
    std::function<Result<>(std::string_view)> set;
  };

  void insert(std::string name, Flag flag);
  Flag& at(std::string_view name);
  Result<Wish> parse_word(std::string_view word, std::span<const std::string>& rest);
  Result<> set(const std::string& name, Flag& flag, std::string_view value);

  std::string program_;
  std::map<std::string, Flag, std::less<>> flags_;
  std::vector<std::string> positional_;
  std::vector<std::string> notices_;
};

}  // namespace outrigger
