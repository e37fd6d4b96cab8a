#pragma once

#include <functional>
#include <string>

#include "base/scope.h"

namespace outrigger::security::identity {

/// The roots that a program trusts from the start: a text, or a file that is followed. One loop.
class Anchors {
 public:
  struct Options {
    std::string pem;
    /// Instead of `pem`: waited for if it is not there.
    std::string file;
    Duration look_every = std::chrono::seconds(2);
  };
  explicit Anchors(Options options) : options_(std::move(options)) {}

  /// Waits for the file. Code::invalid_argument if there is no certificate in the text.
  Task<Result<>> open();
  [[nodiscard]] const std::string& pem() const noexcept { return pem_; }
  /// Returns when the file has another content; never for a text. Ends with the task.
  Task<Result<>> changed();

 private:
  Task<Result<std::string>> read() const;

  Options options_;
  std::string pem_;
};

/// Both texts' certificates, each once.
[[nodiscard]] std::string merge_anchors(const std::string& first, const std::string& second);

}  // namespace outrigger::security::identity
