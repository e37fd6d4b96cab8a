#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/strings.h"
#include "security/jwt/signature.h"
#include "security/jwt/token.h"

namespace outrigger::security::jwt {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using x509::KeyType;
using x509::PrivateKey;

const WallTime kNow{std::chrono::seconds(1'787'313'600)};

std::string url_text(std::string_view bytes) {
  return base64_encode(bytes, Base64Alphabet::url, Base64Padding::raw);
}
std::string from_url(std::string_view text) {
  return base64_decode(text, Base64Alphabet::url, Base64Padding::raw).value();
}

// RFC 7638, section 3.1.
constexpr std::string_view kRsaJwk =
    R"({"kty":"RSA","alg":"RS256","kid":"2011-04-29","e":"AQAB","n":")"
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1"
    "L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4"
    "QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO"
    "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
    "Cur-kEgU8awapJzKnqDKgw"
    R"("})";
// RFC 8037, appendix A.2; RFC 7515, appendix A.3.
constexpr std::string_view kEd25519Jwk =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kP256Jwk =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

TEST(Jwk, HasTheThumbprintsOfTheRfcs) {
  EXPECT_EQ(url_text(thumbprint(parse_jwk(kRsaJwk)->key)),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  EXPECT_EQ(url_text(thumbprint(parse_jwk(kEd25519Jwk)->key)),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST(Jwk, VerifiesTheSignaturesOfTheRfcs) {
  EXPECT_TRUE(is_signature("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                           from_url("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGj"
                                    "g5BhVsPt9g7sVvpAr_MuM0KAg"),
                           parse_jwk(kEd25519Jwk)->key, Algorithm::eddsa));
  const std::string signed_text =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
      "NvbS9pc19yb290Ijp0cnVlfQ";
  const std::string signature = from_url(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6N"
      "U1Q");
  const auto key = parse_jwk(kP256Jwk)->key;
  EXPECT_TRUE(is_signature(signed_text, signature, key, Algorithm::es256));
  EXPECT_FALSE(is_signature(signed_text + "x", signature, key, Algorithm::es256));
  EXPECT_FALSE(is_signature(signed_text, signature.substr(1), key, Algorithm::es256));
  // r and s of zero: what was believed by others once.
  EXPECT_FALSE(is_signature(signed_text, std::string(64, '\0'), key, Algorithm::es256));
  EXPECT_FALSE(is_signature(signed_text, "", key, Algorithm::es256));
}

TEST(Jwk, IsWrittenAsItIsRead) {
  for (const KeyType type :
       {KeyType::ed25519, KeyType::p256, KeyType::p384, KeyType::p521, KeyType::rsa}) {
    const Jwk key{.key = PrivateKey::generate(type)->public_key(),
                  .key_id = "k\"1",
                  .use = "sig",
                  .algorithm = std::nullopt};
    const auto again = parse_jwk(to_json(key));
    ASSERT_TRUE(again) << to_json(key);
    EXPECT_TRUE(again->key == key.key);
    EXPECT_EQ(again->key_id, key.key_id);
    EXPECT_EQ(again->use, "sig");
  }
  EXPECT_EQ(parse_jwk(kRsaJwk)->algorithm, Algorithm::rs256);
}

TEST(Jwk, OfAnyOtherKindIsRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"kty":"oct","k":"AAAA"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
        R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})",
        R"({"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"})",
        R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
        R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})",
        R"({"kty":"OKP","crv":"Ed25519","alg":"HS256",)"
        R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"}) {
    EXPECT_FALSE(parse_jwk(text)) << text;
  }
  // A point that is not on the curve; an exponent of 1.
  EXPECT_FALSE(parse_jwk(replace_all(kP256Jwk, "f83O", "f83P")));
  EXPECT_FALSE(parse_jwk(replace_all(kRsaJwk, "AQAB", "AQ")));
}

TEST(KeySet, LeavesOutKeysThatAreNotUsedHere) {
  const std::string set =
      R"({"keys":[{"kty":"oct","k":"AAAA"},)" + std::string(kEd25519Jwk) + R"(,{"kty":"new"},7]})";
  const auto keys = parse_key_set(set);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->size(), 1U);
  EXPECT_EQ(parse_key_set(kRsaJwk)->size(), 1U);
  EXPECT_FALSE(parse_key_set("null"));
  EXPECT_FALSE(parse_key_set(R"({"keys":7})"));
  EXPECT_FALSE(parse_key_set(R"({"keys":[)"));
}

struct Signer {
  PrivateKey key;
  Algorithm algorithm;
  Jwk jwk;
};

Signer signer(Algorithm algorithm, KeyType type) {
  auto key = PrivateKey::generate(type).value();
  Jwk jwk{.key = key.public_key(), .key_id = "k1", .use = "", .algorithm = std::nullopt};
  return {std::move(key), algorithm, std::move(jwk)};
}

Expected at(WallTime now) {
  Expected expected;
  expected.now = now;
  return expected;
}

constexpr std::string_view kPayload =
    R"({"sub":"spiffe://a/b","aud":["x","y"],"iss":"me","exp":1787313700,"nbf":1787313500})";

TEST(Token, OfEachAlgorithmIsVerifiedByItsKeyOnly) {
  const std::pair<Algorithm, KeyType> kinds[] = {
      {Algorithm::rs256, KeyType::rsa},  {Algorithm::rs384, KeyType::rsa},
      {Algorithm::rs512, KeyType::rsa},  {Algorithm::ps256, KeyType::rsa},
      {Algorithm::ps384, KeyType::rsa},  {Algorithm::ps512, KeyType::rsa},
      {Algorithm::es256, KeyType::p256}, {Algorithm::es384, KeyType::p384},
      {Algorithm::es512, KeyType::p521}, {Algorithm::eddsa, KeyType::ed25519}};
  for (const auto& [algorithm, type] : kinds) {
    const Signer one = signer(algorithm, type);
    const Signer other = signer(algorithm, type);
    const auto token = sign(kPayload, one.key, algorithm, "k1");
    ASSERT_TRUE(token) << to_string(algorithm);
    const auto claims = verify(*token, std::span(&one.jwk, 1), at(kNow));
    ASSERT_TRUE(claims) << to_string(algorithm);
    EXPECT_EQ(claims->subject, "spiffe://a/b");
    EXPECT_THAT(claims->audience, ElementsAre("x", "y"));
    EXPECT_EQ(claims->json, kPayload);
    EXPECT_FALSE(verify(*token, std::span(&other.jwk, 1), at(kNow)));
  }
}

TEST(Token, IsNotSignedWithAnAlgorithmThatDoesNotFitTheKey) {
  const Signer one = signer(Algorithm::es256, KeyType::p256);
  EXPECT_FALSE(sign(kPayload, one.key, Algorithm::rs256, "k1"));
  EXPECT_FALSE(sign(kPayload, one.key, Algorithm::es384, "k1"));
}

TEST(Token, CannotChooseTheAlgorithmOfItsKey) {
  Signer one = signer(Algorithm::rs256, KeyType::rsa);
  const std::string token = sign(kPayload, one.key, Algorithm::rs512, "k1").value();
  EXPECT_TRUE(verify(token, std::span(&one.jwk, 1), at(kNow)));
  one.jwk.algorithm = Algorithm::rs256;
  EXPECT_FALSE(verify(token, std::span(&one.jwk, 1), at(kNow)));
  one.jwk.algorithm = std::nullopt;
  one.jwk.use = "enc";
  EXPECT_FALSE(verify(token, std::span(&one.jwk, 1), at(kNow)));
}

TEST(Token, WithoutASignatureOrWithASharedSecretIsNeverBelieved) {
  const Signer one = signer(Algorithm::rs256, KeyType::rsa);
  const std::string payload = url_text(kPayload);
  for (const char* header :
       {R"({"alg":"none","kid":"k1"})", R"({"alg":"None","kid":"k1"})", R"({"kid":"k1"})",
        R"({"alg":"HS256","kid":"k1"})", R"({"alg":"","kid":"k1"})", R"({"alg":7,"kid":"k1"})",
        R"({"alg":"none","alg":"RS256","kid":"k1"})"}) {
    for (const std::string& signature : {std::string(), url_text(one.jwk.key.der())}) {
      const std::string token = url_text(header) + "." + payload + "." + signature;
      EXPECT_FALSE(verify(token, std::span(&one.jwk, 1), at(kNow))) << header;
    }
  }
}

TEST(Token, NamesItsKey) {
  Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string nameless = sign(kPayload, one.key, Algorithm::eddsa, "").value();
  EXPECT_THAT(verify(nameless, std::span(&one.jwk, 1), at(kNow)).error().message(),
              HasSubstr("kid"));
  const std::string token = sign(kPayload, one.key, Algorithm::eddsa, "k1").value();
  EXPECT_EQ(key_id_of(token), "k1");
  EXPECT_EQ(key_id_of(nameless), std::nullopt);
  one.jwk.key_id = "k2";
  EXPECT_FALSE(verify(token, std::span(&one.jwk, 1), at(kNow)));
}

TEST(Token, WithExtensionsThatMustBeUnderstoodIsRefused) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string head = url_text(R"({"alg":"EdDSA","kid":"k1","crit":["b64"],"b64":false})") +
                           "." + url_text(kPayload);
  const std::string signature = make_signature(head, one.key, Algorithm::eddsa).value();
  EXPECT_FALSE(verify(head + "." + url_text(signature), std::span(&one.jwk, 1), at(kNow)));
}

TEST(Token, CountsInItsTime) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string token = sign(kPayload, one.key, Algorithm::eddsa, "k1").value();
  const auto valid = [&](WallTime now, std::chrono::nanoseconds skew) {
    Expected expected = at(now);
    expected.skew = skew;
    return verify(token, std::span(&one.jwk, 1), expected).has_value();
  };
  EXPECT_TRUE(valid(kNow, 0s));
  EXPECT_FALSE(valid(kNow + 100s, 0s));
  EXPECT_TRUE(valid(kNow + 100s, 1s));
  EXPECT_FALSE(valid(kNow + 100s, 0s));
  EXPECT_FALSE(valid(kNow - 101s, 0s));
  EXPECT_TRUE(valid(kNow - 101s, 1s));
}

TEST(Token, IsForWhomItNames) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string token = sign(kPayload, one.key, Algorithm::eddsa, "k1").value();
  const auto check = [&](auto change) {
    Expected expected = at(kNow);
    change(expected);
    return verify(token, std::span(&one.jwk, 1), expected);
  };
  EXPECT_TRUE(check([](Expected& e) { e.audience = "y"; }));
  EXPECT_THAT(check([](Expected& e) { e.audience = "z"; }).error().message(), HasSubstr("aud"));
  EXPECT_THAT(check([](Expected& e) { e.subject = "z"; }).error().message(), HasSubstr("sub"));
  EXPECT_THAT(check([](Expected& e) { e.issuer = "z"; }).error().message(), HasSubstr("iss"));
  EXPECT_TRUE(check([](Expected& e) { e.issuer = "me"; }));
}

TEST(Token, OfOneAudienceMayBeAText) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string token = sign(R"({"aud":"x"})", one.key, Algorithm::eddsa, "k1").value();
  EXPECT_THAT(verify(token, std::span(&one.jwk, 1), at(kNow))->audience, ElementsAre("x"));
}

TEST(Token, WithClaimsOfOtherKindsIsRefused) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  for (const char* payload : {R"({"exp":"soon"})", R"({"exp":1e300})", R"({"aud":[7]})",
                              R"({"aud":{}})", R"({"sub":7})", "[]", "7", "{"}) {
    const std::string token = sign(payload, one.key, Algorithm::eddsa, "k1").value();
    EXPECT_FALSE(verify(token, std::span(&one.jwk, 1), at(kNow))) << payload;
  }
}

TEST(Token, ThatIsCutOrChangedIsRefused) {
  const Signer one = signer(Algorithm::eddsa, KeyType::ed25519);
  const std::string token = sign(kPayload, one.key, Algorithm::eddsa, "k1").value();
  for (std::size_t size = 0; size < token.size(); ++size) {
    EXPECT_FALSE(verify(token.substr(0, size), std::span(&one.jwk, 1), at(kNow)));
  }
  EXPECT_FALSE(verify(token + ".x", std::span(&one.jwk, 1), at(kNow)));
  EXPECT_FALSE(verify(token + "\n", std::span(&one.jwk, 1), at(kNow)));
  EXPECT_FALSE(verify(std::string(kTokenBytesMax + 1, 'a'), std::span(&one.jwk, 1), at(kNow)));
}

}  // namespace
}  // namespace outrigger::security::jwt
