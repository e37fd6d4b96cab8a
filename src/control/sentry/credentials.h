#pragma once

#include <optional>

#include "control/sentry/bundle.h"
#include "control/sentry/options.h"
#include "control/sentry/rotation.h"
#include "control/sentry/storage.h"

namespace outrigger::control::sentry {

/// All that is kept, read and checked.
struct Credentials {
  CaTexts ca_texts;
  CaBundle ca;
  JwtTexts jwt_texts;
  /// Set if tokens are issued.
  std::optional<JwtBundle> jwt;
  /// The root rotation that runs.
  std::optional<Rotation> rotation;
  /// Whether something was missing and has been made.
  bool made = false;
};

/// What a rotation goes by.
[[nodiscard]] RotationRules rotation_rules(const Options& options);

/// Takes a rotation on, then reads the credentials. What is missing is made, as upstream does it:
/// a CA of which one file is missing is made anew as a whole. With Missing::wrong it is an error,
/// and nothing is written. Blocks.
enum class Missing : std::uint8_t { made, wrong };
Result<Credentials> load_credentials(Storage& storage, const Options& options, WallTime now,
                                     Missing missing);

}  // namespace outrigger::control::sentry
