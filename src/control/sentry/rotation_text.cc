#include "base/duration.h"
#include "base/json.h"
#include "control/sentry/rotation.h"

namespace outrigger::control::sentry {
namespace {

namespace x509 = security::x509;

constexpr std::string_view kStages[] = {"requested", "distributing", "switching", "signing",
                                        "retiring"};

std::unexpected<Error> refuse(std::string why) {
  return fail(Code::invalid_argument, std::move(why));
}

Result<Stage> parse_stage(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kStages); ++i) {
    if (kStages[i] == name) return static_cast<Stage>(i);
  }
  return refuse("there is no stage \"" + std::string(name) + "\"");
}

std::string text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  if (!raw) return {};
  return json::string_value(*raw).value_or(std::string());
}

Result<WallTime> time_of(std::string_view object, std::string_view name) {
  return parse_rfc3339(text_of(object, name));
}

/// A rotation that is on its way has all that it goes by.
Result<> check(const Rotation& rotation) {
  if (rotation.stage == Stage::requested) return {};
  if (!rotation.next) return refuse("the next credentials are missing");
  if (rotation.old_anchors.empty()) return refuse("the old anchors are missing");
  return {};
}

void line(std::string& out, std::string_view name, const std::string& text) {
  out.append(name).append(": ").append(text).append("\n");
}

std::string about(const x509::Certificate& certificate) {
  return certificate.subject() + ", valid until " + format_rfc3339(certificate.not_after()) +
         ", sha256 " + certificate.fingerprint();
}

std::string in(WallTime when, WallTime now) {
  if (when <= now) return "now";
  const auto left = std::chrono::ceil<std::chrono::seconds>(when - now);
  return "at " + format_rfc3339(when) + ", in " + format_duration(left);
}

void describe_stage(std::string& out, const Rotation& rotation, WallTime now) {
  line(out, "root rotation", std::string(to_string(rotation.stage)));
  line(out, "since", format_rfc3339(rotation.since));
  switch (rotation.stage) {
    case Stage::requested: line(out, "waits for", "a sentry that takes it up"); break;
    case Stage::distributing:
      line(out, "state", "both roots are handed out, the old issuer signs");
      line(out, "next", "the new issuer signs " + in(rotation.until, now));
      break;
    case Stage::signing:
      line(out, "state", "both roots are handed out, the new issuer signs");
      line(out, "next",
           "the old root goes " + in(rotation.until, now) +
               (rotation.hold ? ", but not before \"rotate --release\"" : ""));
      break;
    case Stage::switching:
    case Stage::retiring: line(out, "waits for", "a sentry that finishes the stage"); break;
  }
  if (rotation.stage != Stage::requested && rotation.bridge.empty()) {
    line(out, "note", "the old issuer has not certified the new root: all must learn it in time");
  }
}

}  // namespace

std::string_view to_string(Stage stage) noexcept {
  return kStages[static_cast<std::size_t>(stage)];
}

std::string to_json(const Rotation& rotation) {
  std::string text;
  json::Writer writer(text, json::Html::keep);
  writer.begin_object().member("stage", to_string(rotation.stage));
  writer.member("since", format_rfc3339_nano(rotation.since));
  writer.member("until", format_rfc3339_nano(rotation.until));
  if (rotation.wait) writer.member("wait", format_duration(*rotation.wait));
  writer.member("hold", rotation.hold);
  if (rotation.next) {
    writer.member("nextAnchors", rotation.next->anchors);
    writer.member("nextIssuer", rotation.next->issuer_chain);
    writer.member("nextIssuerKey", rotation.next->issuer_key);
  }
  writer.member("bridge", rotation.bridge);
  writer.member("oldAnchors", rotation.old_anchors);
  writer.member("oldIssuer", rotation.old_issuer_fingerprint);
  writer.end_object();
  return text + "\n";
}

Result<Rotation> parse_rotation(std::string_view text) {
  if (!json::is_valid(text) || json::type_of(text) != json::Type::object) {
    return refuse("not a JSON object");
  }
  Rotation rotation;
  OUT_TRY(rotation.stage, parse_stage(text_of(text, "stage")));
  OUT_TRY(rotation.since, time_of(text, "since"));
  OUT_TRY(rotation.until, time_of(text, "until"));
  if (const std::string wait = text_of(text, "wait"); !wait.empty()) {
    OUT_TRY(rotation.wait, parse_duration(wait));
  }
  const auto hold = json::member(text, "hold");
  rotation.hold = hold && json::bool_value(*hold).value_or(false);
  CaTexts next{.anchors = text_of(text, "nextAnchors"),
               .issuer_chain = text_of(text, "nextIssuer"),
               .issuer_key = text_of(text, "nextIssuerKey")};
  if (!next.anchors.empty()) rotation.next = std::move(next);
  rotation.bridge = text_of(text, "bridge");
  rotation.old_anchors = text_of(text, "oldAnchors");
  rotation.old_issuer_fingerprint = text_of(text, "oldIssuer");
  OUT_CHECK(check(rotation));
  return rotation;
}

Result<std::string> describe(Storage& storage, WallTime now) {
  OUT_TRY(const auto texts, storage.load_ca());
  std::string out;
  if (!texts) {
    line(out, "certificate authority", "none yet");
  } else {
    OUT_TRY(const auto anchors, x509::parse_certificates(texts->anchors));
    OUT_TRY(const auto issuer, x509::parse_certificates(texts->issuer_chain));
    for (const x509::Certificate& anchor : anchors) line(out, "trust anchor", about(anchor));
    line(out, "issuer", about(issuer.front()));
  }
  OUT_TRY(const auto rotation, storage.load_rotation());
  if (!rotation) {
    line(out, "root rotation", "none");
    return out;
  }
  OUT_TRY(const auto parsed, parse_rotation(*rotation));
  describe_stage(out, parsed, now);
  return out;
}

}  // namespace outrigger::control::sentry
