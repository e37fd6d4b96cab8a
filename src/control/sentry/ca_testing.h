#pragma once

#include <chrono>
#include <string>

#include "control/sentry/bundle.h"

/// What the tests of sentry share.
namespace outrigger::control::sentry {

namespace x509 = security::x509;

inline const WallTime kNow = wall_now();
inline const CaName kName{
    .trust_domain = "localhost", .own_namespace = "default", .root_common_name = {}};

/// A CA as somebody brings it along, with its root's key.
struct TestCa {
  x509::PrivateKey root_key;
  x509::Certificate root;
  x509::PrivateKey key;
  x509::Certificate issuer;

  static TestCa make(const std::string& name, x509::KeyType type = x509::KeyType::ed25519) {
    using namespace std::chrono_literals;
    x509::Template wanted;
    wanted.kind = x509::Template::Kind::ca;
    wanted.subject.organization = name;
    wanted.not_before = kNow - 24h;
    wanted.not_after = kNow + 300 * 24h;
    auto root_key = x509::PrivateKey::generate(type).value();
    auto root = x509::issue_self_signed(wanted, root_key).value();
    auto key = x509::PrivateKey::generate(type).value();
    wanted.subject.organization = name + " issuer";
    auto issuer = x509::issue(wanted, key.public_key(), root, root_key).value();
    return {std::move(root_key), std::move(root), std::move(key), std::move(issuer)};
  }
  [[nodiscard]] CaTexts texts() const {
    return {.anchors = root.pem(), .issuer_chain = issuer.pem(), .issuer_key = key.pem()};
  }
};

/// Made by the openssl command line: an issuer that may certify leaves only (pathlen:0).
inline CaTexts flat_ca() {
  return {.anchors = R"(-----BEGIN CERTIFICATE-----
MIIBRDCB96ADAgECAhRyfu3Q5jltMmywRIXotsFhSnfOCzAFBgMrZXAwDzENMAsG
A1UECgwEZmxhdDAgFw0yNjExMjMwMjQxMjRaGA8yMTI2MTAzMDAyNDEyNFowDzEN
MAsGA1UECgwEZmxhdDAqMAUGAytlcAMhAHKc4EOpJuT961IPDjKWkx7fmpwbNhNP
RqnwlgZUGPyeo2MwYTAdBgNVHQ4EFgQUmBNyXuehTMSQJK8XtDaYWGvvLfQwHwYD
VR0jBBgwFoAUmBNyXuehTMSQJK8XtDaYWGvvLfQwDwYDVR0TAQH/BAUwAwEB/zAO
BgNVHQ8BAf8EBAMCAgQwBQYDK2VwA0EA/4IdVPnLzHscqvaFsH6Yk4PfYp+vuNAG
0i88gzh+P1Z7cEmXxtw3VywQru0t5OPUIq9E54vApCW9WEzd8TQ7Aw==
-----END CERTIFICATE-----
)",
          .issuer_chain = R"(-----BEGIN CERTIFICATE-----
MIIBTzCCAQGgAwIBAgIUI4XB84AMKPAE4ssVs72kub8ElvcwBQYDK2VwMA8xDTAL
BgNVBAoMBGZsYXQwIBcNMjYxMTIzMDI0MTI0WhgPMjEyNjEwMzAwMjQxMjRaMBYx
FDASBgNVBAoMC2ZsYXQgaXNzdWVyMCowBQYDK2VwAyEAFENBaWnuaDEgzGM9DydV
epRncaoF/mCAG16k939FBxSjZjBkMBIGA1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0P
AQH/BAQDAgKEMB0GA1UdDgQWBBRUnErTWK8U9rgW8GuKJgDVZVKZgjAfBgNVHSME
GDAWgBSYE3Je56FMxJAkrxe0NphYa+8t9DAFBgMrZXADQQChqGT2dO3x4ti9muM7
Cmgnwer0GoBMJQkA8NPeFg+p1XezA/2qodineB03GRaYAx0CZLpRaBLwxMhcJgbJ
XNcK
-----END CERTIFICATE-----
)",
          .issuer_key = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIEKqPjA3Y/QPAU0Wjk0LL++VayoecO14GcQzdft057JT
-----END PRIVATE KEY-----
)"};
}

}  // namespace outrigger::control::sentry
