#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/sentry/bundle.h"
#include "control/sentry/options.h"

namespace outrigger::control::sentry {

/// Where the credentials are kept. All of it blocks. What is absent is no error: nullopt.
/// Each write is whole or has not happened, also for those who read meanwhile and after a crash;
/// several writes are not one.
class Storage {
 public:
  virtual ~Storage() = default;

  /// While it lives, no other process that asks for it changes the credentials.
  class Lock {
   public:
    virtual ~Lock() = default;
  };
  /// Waits for it.
  virtual Result<std::unique_ptr<Lock>> lock() = 0;

  /// nullopt if any of the three texts is absent.
  virtual Result<std::optional<CaTexts>> load_ca() = 0;
  virtual Result<std::optional<JwtTexts>> load_jwt() = 0;
  /// Of a root rotation: what control/sentry/rotation.h makes of it.
  virtual Result<std::optional<std::string>> load_rotation() = 0;

  virtual Result<> store_ca(const CaTexts& texts) = 0;
  /// The first of the three alone.
  virtual Result<> store_anchors(const std::string& anchors) = 0;
  virtual Result<> store_jwt(const JwtTexts& texts) = 0;
  /// nullopt: it is over.
  virtual Result<> store_rotation(const std::optional<std::string>& text) = 0;
};

/// In files.
[[nodiscard]] std::unique_ptr<Storage> make_file_storage(Paths paths);

/// Writes a file beside the path, and then moves it there. It has the mode of the one before, a new
/// one has 0600.
Result<> write_file(const std::string& name, const std::string& text);

}  // namespace outrigger::control::sentry
