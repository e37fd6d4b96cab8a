#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/sentry/bundle.h"
#include "control/sentry/storage.h"

namespace outrigger::control::sentry {

/// A change of the root while everyone goes on trusting everyone:
///
///   requested -> distributing -> switching -> signing -> retiring -> over
///
/// `distributing`: new root and new issuer exist; all anchors are handed out, the old issuer signs.
/// `signing`: the new issuer signs. What goes with a leaf leads to both roots: the new root's key
/// is certified by the old issuer as well (a bridge), for peers that know the old root only.
/// `switching` and `retiring` are moments, written down so that a crash in them is made good.
enum class Stage : std::uint8_t { requested, distributing, switching, signing, retiring };
[[nodiscard]] std::string_view to_string(Stage stage) noexcept;

/// What is written down of a rotation, from its request to its end. The credentials themselves tell
/// nothing of it.
struct Rotation {
  Stage stage = Stage::requested;
  /// When the stage began, and when it may end.
  WallTime since, until;
  /// How long the new root is only handed out; nullopt: for the lifetime of a certificate.
  std::optional<std::chrono::nanoseconds> wait;
  /// The old root stays until somebody says that it may go.
  bool hold = false;
  /// What comes: given with the request, or made when it is taken up.
  std::optional<CaTexts> next;
  /// PEM of what leads from the next root to the old one; empty if that is not possible.
  std::string bridge;
  /// PEM of the roots that go, and what the issuer is that goes.
  std::string old_anchors, old_issuer_fingerprint;

  bool operator==(const Rotation&) const = default;
};

[[nodiscard]] std::string to_json(const Rotation& rotation);
/// Code::invalid_argument if it is not one.
Result<Rotation> parse_rotation(std::string_view json);

/// What a rotation needs to know of how certificates are issued.
struct RotationRules {
  CaName name;
  std::chrono::nanoseconds certificate_ttl = std::chrono::hours(24);
  std::chrono::nanoseconds clock_skew = std::chrono::minutes(15);
};

/// Takes a rotation as far as it may go now, and makes good what a crash has left undone; without
/// one it does nothing. What it gives is what goes on. Blocks, also while another process is at it.
///
/// A rotation whose issuer has been replaced by hand meanwhile is given up: what is there counts.
Result<std::optional<Rotation>> advance(Storage& storage, const RotationRules& rules, WallTime now);

/// Writes down a request. Code::failed_precondition while another one runs; Code::invalid_argument
/// if `next` is given and not a CA of its own, or there is nothing to rotate.
Result<> request_rotation(Storage& storage, Rotation wanted, WallTime now);
/// Lets the old root go, when its time has come, that was to be held.
Result<> release_rotation(Storage& storage);

/// For people: the anchors, the issuer, the stage and what it waits for. Blocks.
Result<std::string> describe(Storage& storage, WallTime now);

}  // namespace outrigger::control::sentry
