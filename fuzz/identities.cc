#include <cstddef>
#include <cstdint>

#include "control/sentry/bundle.h"
#include "control/sentry/rotation.h"
#include "control/sentry/signing.h"
#include "security/jwt/token.h"
#include "security/spiffe/id.h"
#include "security/x509/certificate.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"

// What strangers send to sentry (signing requests, tokens, whole calls), what peers show as their
// certificate, and what may stand in its files.
namespace {

using namespace outrigger;
using namespace outrigger::control::sentry;
namespace x509 = security::x509;
namespace jwt = security::jwt;
namespace spiffe = security::spiffe;

const WallTime kNow = WallTime(std::chrono::seconds(1'787'313'600));

const jwt::KeySet& keys() {
  static const jwt::KeySet set = [] {
    jwt::KeySet made;
    for (const auto type : {x509::KeyType::ed25519, x509::KeyType::p256, x509::KeyType::rsa}) {
      made.push_back({.key = x509::PrivateKey::generate(type)->public_key(),
                      .key_id = "k",
                      .use = "",
                      .algorithm = std::nullopt});
    }
    return made;
  }();
  return set;
}

const Authority& authority() {
  static const Authority made(
      make_ca({.trust_domain = "localhost", .own_namespace = "default", .root_common_name = {}},
              std::chrono::minutes(15), kNow)
          .value(),
      std::nullopt, IssueRules());
  return made;
}

void look_at(const x509::Certificate& certificate) {
  const auto again = x509::Certificate::parse_der(certificate.der());
  if (!again || !(*again == certificate)) __builtin_trap();
  [[maybe_unused]] const auto subject = certificate.subject() + certificate.serial();
  [[maybe_unused]] const auto names = certificate.dns_names();
  [[maybe_unused]] const bool self = certificate.is_signed_by(certificate);
  if (const auto id = spiffe::id_of_leaf(certificate)) {
    // A leaf says who it is, and issues nothing.
    if (certificate.is_ca() || spiffe::Id::parse(id->text()) != *id) __builtin_trap();
  }
  // Nobody here has signed it.
  const x509::Chain chain = {certificate};
  if (x509::verify_chain(chain, authority().ca().anchors, kNow)) __builtin_trap();
}

void ask(std::string_view message) {
  auto request = wire::parse(std::string(message));
  if (!request) return;
  const auto id = requested_id(*request);
  if (!id) return;
  const SigningRules rules{.own_namespace = "default", .cluster_domain = "localhost"};
  const auto response = sign(*request, *id, authority(), rules, kNow);
  if (!response) return;
  const auto chain = x509::parse_certificates(response->chain);
  // What is issued says what was asked for, and no more.
  if (!chain || spiffe::id_of_leaf(chain->front()) != *id) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& block : x509::parse_pem(text)) {
    if (const auto read = x509::Certificate::parse_der(block.der)) look_at(*read);
    [[maybe_unused]] const auto request = x509::parse_request(block.der);
  }
  if (const auto certificate = x509::Certificate::parse_der(text)) look_at(*certificate);
  [[maybe_unused]] const auto request = x509::parse_request(text);
  if (const auto key = x509::PrivateKey::parse(text)) {
    if (!x509::PrivateKey::parse(key->pem())) __builtin_trap();
  }
  if (const auto id = spiffe::Id::parse(text)) {
    if (id->text() != text) __builtin_trap();
    [[maybe_unused]] const auto app = spiffe::app_identity(*id);
  }
  // No token that a fuzzer makes is one.
  if (jwt::verify(text, keys(), {.now = kNow})) __builtin_trap();
  if (const auto set = jwt::parse_key_set(text)) {
    const auto again = jwt::parse_key_set(jwt::to_json(*set));
    if (!again || again->size() != set->size()) __builtin_trap();
  }
  if (const auto rotation = parse_rotation(text)) {
    if (!parse_rotation(to_json(*rotation))) __builtin_trap();
  }
  ask(text);
  return 0;
}
