#include "control/sentry/rotation.h"

#include <algorithm>

#include "base/log.h"

namespace outrigger::control::sentry {
namespace {

namespace x509 = security::x509;

const Logger log("dapr.sentry.rotation");

/// Those of `chain` that are not in `others`.
x509::Chain without(const x509::Chain& chain, const x509::Chain& others) {
  x509::Chain rest;
  for (const x509::Certificate& certificate : chain) {
    const bool there = std::ranges::find(others, certificate) != others.end();
    if (!there) rest.push_back(certificate);
  }
  return rest;
}

/// What leads from the root of `next` to an anchor of `old`, whose issuer certifies it.
Result<x509::Chain> make_bridge(const CaBundle& old, const CaBundle& next, WallTime now) {
  for (const x509::Certificate& root : next.anchors) {
    if (!next.issuer.back().is_signed_by(root)) continue;
    OUT_TRY(auto certified, x509::cross_sign(root, old.issuer.front(), old.issuer_key));
    x509::Chain bridge;
    bridge.push_back(std::move(certified));
    bridge.insert(bridge.end(), old.issuer.begin(), old.issuer.end());
    x509::Chain whole = next.issuer;
    whole.insert(whole.end(), bridge.begin(), bridge.end());
    OUT_CHECK(x509::verify_chain(whole, old.anchors, now));
    return bridge;
  }
  return fail(Code::invalid_argument, "the next issuer is not signed by its root itself");
}

/// One rotation on its way, with what there is.
class Step {
 public:
  Step(Storage& storage, const RotationRules& rules, WallTime now, Rotation rotation,
       CaTexts current)
      : storage_(storage),
        rules_(rules),
        now_(now),
        rotation_(std::move(rotation)),
        current_(std::move(current)) {}

  Result<std::optional<Rotation>> run() {
    OUT_TRY(const bool replaced, replaced_by_hand());
    if (replaced) return give_up();
    if (rotation_.stage == Stage::requested) {
      OUT_CHECK(begin());
    }
    if (rotation_.stage == Stage::distributing) {
      OUT_CHECK(hand_out());
      if (now_ < rotation_.until) return std::optional(rotation_);
      OUT_CHECK(enter(Stage::switching, {}));
    }
    if (rotation_.stage == Stage::switching) {
      OUT_CHECK(switch_issuer());
    }
    if (rotation_.stage == Stage::signing) {
      if (now_ < rotation_.until || rotation_.hold) return std::optional(rotation_);
      OUT_CHECK(enter(Stage::retiring, {}));
    }
    OUT_CHECK(retire());
    return std::optional<Rotation>();
  }

 private:
  Result<> enter(Stage stage, std::chrono::nanoseconds lasts) {
    rotation_.stage = stage;
    rotation_.since = now_;
    rotation_.until = now_ + lasts;
    return storage_.store_rotation(to_json(rotation_));
  }

  /// Before the switch the old issuer must be there, after it the next one; in it, either.
  Result<bool> replaced_by_hand() const {
    if (rotation_.stage == Stage::requested || rotation_.stage == Stage::switching) return false;
    OUT_TRY(const auto issuer, x509::parse_certificates(current_.issuer_chain));
    if (rotation_.stage == Stage::distributing) {
      return issuer.front().fingerprint() != rotation_.old_issuer_fingerprint;
    }
    OUT_TRY(const auto next, x509::parse_certificates(rotation_.next->issuer_chain));
    return !(issuer.front() == next.front());
  }
  Result<std::optional<Rotation>> give_up() {
    log.warn("The issuer has been replaced by hand during a root rotation in the stage ",
             to_string(rotation_.stage), ": the rotation is given up");
    OUT_CHECK(storage_.store_rotation(std::nullopt));
    return std::optional<Rotation>();
  }

  Result<CaBundle> next_ca() const {
    if (rotation_.next) return read_ca(*rotation_.next, now_);
    CaName name = rules_.name;
    // Roots of one name could be told apart by their keys alone, which not everyone does.
    name.root_common_name = "root of " + format_rfc3339(now_);
    return make_ca(name, rules_.clock_skew, now_);
  }
  Result<> begin() {
    OUT_TRY(const auto old, read_ca(current_, now_));
    OUT_TRY(const auto next, next_ca());
    rotation_.next = next.texts();
    rotation_.old_anchors = x509::to_pem(old.anchors);
    rotation_.old_issuer_fingerprint = old.issuer.front().fingerprint();
    if (const auto bridge = make_bridge(old, next, now_)) {
      rotation_.bridge = x509::to_pem(*bridge);
    } else {
      log.warn("Root rotation: the old issuer cannot certify the new root (",
               bridge.error().message(),
               "); peers that do not learn the new root in time will refuse the new issuer");
    }
    OUT_CHECK(enter(Stage::distributing, rotation_.wait.value_or(rules_.certificate_ttl)));
    log.info("Root rotation: the new root is handed out beside the old one; its issuer signs from ",
             format_rfc3339(rotation_.until), " on");
    return {};
  }

  Result<> hand_out() {
    OUT_TRY(auto anchors, x509::parse_certificates(current_.anchors));
    OUT_TRY(const auto coming, x509::parse_certificates(rotation_.next->anchors));
    const auto missing = without(coming, anchors);
    if (missing.empty()) return {};
    anchors.insert(anchors.end(), missing.begin(), missing.end());
    current_.anchors = x509::to_pem(anchors);
    return storage_.store_anchors(current_.anchors);
  }

  Result<> switch_issuer() {
    current_.issuer_chain = rotation_.next->issuer_chain + rotation_.bridge;
    current_.issuer_key = rotation_.next->issuer_key;
    OUT_CHECK(storage_.store_ca(current_));
    // The last leaf of the old issuer has that long to live, and clocks differ.
    OUT_CHECK(enter(Stage::signing, rules_.certificate_ttl + rules_.clock_skew));
    log.info("Root rotation: the new issuer signs; the old root goes at ",
             format_rfc3339(rotation_.until),
             rotation_.hold ? " or later, when it is released" : "");
    return {};
  }

  Result<> retire() {
    OUT_TRY(const auto anchors, x509::parse_certificates(current_.anchors));
    OUT_TRY(const auto going, x509::parse_certificates(rotation_.old_anchors));
    OUT_TRY(const auto coming, x509::parse_certificates(rotation_.next->anchors));
    // Who gave the next roots may have named an old one among them.
    current_.anchors = x509::to_pem(without(anchors, without(going, coming)));
    current_.issuer_chain = rotation_.next->issuer_chain;
    OUT_CHECK(storage_.store_ca(current_));
    OUT_CHECK(storage_.store_rotation(std::nullopt));
    log.info("Root rotation: the old root is gone; the rotation is over");
    return {};
  }

  Storage& storage_;
  const RotationRules& rules_;
  const WallTime now_;
  Rotation rotation_;
  CaTexts current_;
};

Result<std::optional<Rotation>> load(Storage& storage) {
  OUT_TRY(const auto text, storage.load_rotation());
  if (!text) return std::optional<Rotation>();
  auto rotation = parse_rotation(*text);
  if (!rotation) {
    return std::unexpected(std::move(rotation).error().context("the file of the root rotation"));
  }
  return std::optional(*std::move(rotation));
}

}  // namespace

Result<std::optional<Rotation>> advance(Storage& storage, const RotationRules& rules,
                                        WallTime now) {
  OUT_TRY(const auto running, storage.load_rotation());
  if (!running) return std::optional<Rotation>();
  OUT_TRY(const auto lock, storage.lock());
  OUT_TRY(auto rotation, load(storage));
  if (!rotation) return rotation;
  OUT_TRY(auto current, storage.load_ca());
  // What is to be rotated comes first, and its own keys are the ones of then.
  if (!current) return rotation;
  return Step(storage, rules, now, *std::move(rotation), *std::move(current)).run();
}

Result<> request_rotation(Storage& storage, Rotation wanted, WallTime now) {
  OUT_TRY(const auto lock, storage.lock());
  OUT_TRY(const auto running, load(storage));
  if (running) {
    return fail(Code::failed_precondition, "a root rotation runs already, in the stage " +
                                               std::string(to_string(running->stage)));
  }
  OUT_TRY(const auto current, storage.load_ca());
  if (!current) {
    return fail(Code::failed_precondition,
                "there is no certificate authority yet whose root could be rotated");
  }
  OUT_TRY(const auto old, read_ca(*current, now));
  if (wanted.next) {
    auto next = read_ca(*wanted.next, now);
    if (!next) return std::unexpected(std::move(next).error().context("the new credentials"));
    if (without(next->anchors, old.anchors).empty()) {
      return fail(Code::invalid_argument,
                  "the new credentials have no new root: put them in the place of the old ones, "
                  "and sentry takes them up at once");
    }
    wanted.next = next->texts();
  }
  wanted.stage = Stage::requested;
  wanted.since = wanted.until = now;
  return storage.store_rotation(to_json(wanted));
}

Result<> release_rotation(Storage& storage) {
  OUT_TRY(const auto lock, storage.lock());
  OUT_TRY(auto rotation, load(storage));
  if (!rotation) return fail(Code::failed_precondition, "no root rotation runs");
  rotation->hold = false;
  return storage.store_rotation(to_json(*rotation));
}

}  // namespace outrigger::control::sentry
