#include "security/jwt/jwk.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/base64.h"
#include "base/json.h"

namespace outrigger::security::jwt {
namespace {

using x509::Freer;
using x509::KeyType;
using x509::PublicKey;
using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;

struct AlgorithmName {
  std::string_view name;
  Algorithm algorithm;
};
constexpr AlgorithmName kAlgorithms[] = {
    {"RS256", Algorithm::rs256}, {"RS384", Algorithm::rs384}, {"RS512", Algorithm::rs512},
    {"PS256", Algorithm::ps256}, {"PS384", Algorithm::ps384}, {"PS512", Algorithm::ps512},
    {"ES256", Algorithm::es256}, {"ES384", Algorithm::es384}, {"ES512", Algorithm::es512},
    {"EdDSA", Algorithm::eddsa},
};

struct Curve {
  KeyType type;
  /// In a JWK, which is also the library's name for it.
  const char* name;
  std::size_t coordinate_bytes;
};
constexpr Curve kCurves[] = {
    {KeyType::p256, "P-256", 32}, {KeyType::p384, "P-384", 48}, {KeyType::p521, "P-521", 66}};

std::unexpected<Error> refuse(std::string_view why) {
  return fail(Code::invalid_argument, "JWK: " + std::string(why));
}

// RSA of 8192 bits is 1024 bytes; nothing that is longer is looked at.
constexpr std::size_t kFieldCharactersMax = 2048;

std::string text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  if (!raw) return {};
  return json::string_value(*raw).value_or(std::string());
}

Result<std::string> bytes_of(std::string_view object, std::string_view name) {
  const std::string text = text_of(object, name);
  if (text.empty() || text.size() > kFieldCharactersMax) {
    return refuse("the member " + std::string(name) + " is missing or too long");
  }
  auto bytes = base64_decode(text, Base64Alphabet::url, Base64Padding::raw);
  if (!bytes) return refuse("the member " + std::string(name) + " is not base64url");
  return *std::move(bytes);
}

std::string url_text(std::string_view bytes) {
  return base64_encode(bytes, Base64Alphabet::url, Base64Padding::raw);
}

Result<PublicKey> from_params(const char* kind, OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  const ContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  const bool made = params && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) == 1;
  if (!made) return x509::library_failure("JWK: not a key");
  return PublicKey::adopt({key, Freer<EVP_PKEY_free>()});
}

NumberPtr number(std::string_view bytes) {
  return NumberPtr(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr));
}

Result<PublicKey> parse_rsa(std::string_view object) {
  OUT_TRY(const auto modulus, bytes_of(object, "n"));
  OUT_TRY(const auto exponent, bytes_of(object, "e"));
  const NumberPtr n = number(modulus);
  const NumberPtr e = number(exponent);
  // An exponent of 1 verifies anything; a long one takes for ever.
  if (BN_num_bits(e.get()) < 2 || BN_num_bits(e.get()) > 33 || BN_is_odd(e.get()) == 0) {
    return refuse("the RSA exponent is not one that is used");
  }
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const bool built = builder &&
                     OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
                     OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  if (!built) return x509::library_failure("JWK: not an RSA key");
  return from_params("RSA", builder.get());
}

Result<PublicKey> parse_curve(std::string_view object) {
  const std::string name = text_of(object, "crv");
  OUT_TRY(const auto x, bytes_of(object, "x"));
  OUT_TRY(const auto y, bytes_of(object, "y"));
  for (const Curve& curve : kCurves) {
    if (name != curve.name) continue;
    if (x.size() != curve.coordinate_bytes || y.size() != curve.coordinate_bytes) {
      return refuse("a coordinate of the point has another length than the curve");
    }
    std::string point = "\x04";  // Both coordinates follow.
    point.append(x).append(y);
    const BuilderPtr builder(OSSL_PARAM_BLD_new());
    const bool built = builder &&
                       OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                       curve.name, 0) == 1 &&
                       OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                        point.data(), point.size()) == 1;
    if (!built) return x509::library_failure("JWK: not an EC key");
    return from_params("EC", builder.get());
  }
  return refuse("the curve " + name + " is not used");
}

Result<PublicKey> parse_ed25519(std::string_view object) {
  if (text_of(object, "crv") != "Ed25519") return refuse("the curve is not Ed25519");
  OUT_TRY(const auto x, bytes_of(object, "x"));
  EVP_PKEY* const key = EVP_PKEY_new_raw_public_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(x.data()), x.size());
  if (key == nullptr) return x509::library_failure("JWK: not an Ed25519 key");
  return PublicKey::adopt({key, Freer<EVP_PKEY_free>()});
}

std::string big_number(const PublicKey& key, const char* name, std::size_t bytes_min) {
  BIGNUM* found = nullptr;
  EVP_PKEY_get_bn_param(key.handle(), name, &found);
  const NumberPtr owned(found);
  OUT_ASSERT(found != nullptr);
  const auto needed = static_cast<std::size_t>(BN_num_bytes(found));
  std::string bytes(std::max(needed, bytes_min), '\0');
  BN_bn2binpad(found, reinterpret_cast<unsigned char*>(bytes.data()),
               static_cast<int>(bytes.size()));
  return bytes;
}

std::string raw_point(const PublicKey& key) {
  unsigned char bytes[64];
  std::size_t size = sizeof bytes;
  OUT_ASSERT(EVP_PKEY_get_raw_public_key(key.handle(), bytes, &size) == 1);
  return {reinterpret_cast<char*>(bytes), size};
}

/// The members that make the key, in the order of RFC 7638.
void write_key(json::Writer& writer, const PublicKey& key) {
  if (key.type() == KeyType::rsa) {
    writer.member("e", url_text(big_number(key, OSSL_PKEY_PARAM_RSA_E, 1)));
    writer.member("kty", "RSA");
    writer.member("n", url_text(big_number(key, OSSL_PKEY_PARAM_RSA_N, 1)));
    return;
  }
  if (key.type() == KeyType::ed25519) {
    writer.member("crv", "Ed25519").member("kty", "OKP").member("x", url_text(raw_point(key)));
    return;
  }
  for (const Curve& curve : kCurves) {
    if (curve.type != key.type()) continue;
    const std::size_t bytes = curve.coordinate_bytes;
    writer.member("crv", curve.name).member("kty", "EC");
    writer.member("x", url_text(big_number(key, OSSL_PKEY_PARAM_EC_PUB_X, bytes)));
    writer.member("y", url_text(big_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, bytes)));
  }
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view name) noexcept {
  for (const AlgorithmName& known : kAlgorithms) {
    if (known.name == name) return known.algorithm;
  }
  return std::nullopt;
}

std::string_view to_string(Algorithm algorithm) noexcept {
  for (const AlgorithmName& known : kAlgorithms) {
    if (known.algorithm == algorithm) return known.name;
  }
  return "";
}

bool fits(Algorithm algorithm, KeyType type) noexcept {
  switch (algorithm) {
    case Algorithm::es256: return type == KeyType::p256;
    case Algorithm::es384: return type == KeyType::p384;
    case Algorithm::es512: return type == KeyType::p521;
    case Algorithm::eddsa: return type == KeyType::ed25519;
    case Algorithm::rs256:
    case Algorithm::rs384:
    case Algorithm::rs512:
    case Algorithm::ps256:
    case Algorithm::ps384:
    case Algorithm::ps512: break;
  }
  return type == KeyType::rsa;
}

Result<Jwk> parse_jwk(std::string_view object) {
  const std::string kind = text_of(object, "kty");
  auto key = kind == "RSA"   ? parse_rsa(object)
             : kind == "EC"  ? parse_curve(object)
             : kind == "OKP" ? parse_ed25519(object)
                             : Result<PublicKey>(refuse("kty \"" + kind + "\" is not used"));
  if (!key) return std::unexpected(std::move(key).error());
  Jwk parsed{.key = *std::move(key),
             .key_id = text_of(object, "kid"),
             .use = text_of(object, "use"),
             .algorithm = std::nullopt};
  const std::string algorithm = text_of(object, "alg");
  if (algorithm.empty()) return parsed;
  parsed.algorithm = parse_algorithm(algorithm);
  const bool fitting = parsed.algorithm && fits(*parsed.algorithm, parsed.key.type());
  if (!fitting) return refuse("the key does not sign with " + algorithm);
  return parsed;
}

std::string to_json(const Jwk& key) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  if (key.algorithm) writer.member("alg", to_string(*key.algorithm));
  write_key(writer, key.key);
  if (!key.key_id.empty()) writer.member("kid", key.key_id);
  if (!key.use.empty()) writer.member("use", key.use);
  writer.end_object();
  return text;
}

std::string thumbprint(const PublicKey& key) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_key(writer, key);
  writer.end_object();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<char*>(digest), size};
}

Result<KeySet> parse_key_set(std::string_view text) {
  if (!json::is_valid(text) || json::type_of(text) != json::Type::object) {
    return refuse("the key set is not a JSON object");
  }
  KeySet keys;
  const auto list = json::member(text, "keys");
  if (!list) {
    OUT_TRY(auto only, parse_jwk(text));
    keys.push_back(std::move(only));
    return keys;
  }
  json::ArrayReader elements(*list);
  while (elements.next()) {
    if (auto key = parse_jwk(elements.value())) keys.push_back(*std::move(key));
  }
  if (!elements.ok()) return refuse("\"keys\" is not an array");
  return keys;
}

std::string to_json(std::span<const Jwk> keys) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("keys").begin_array();
  for (const Jwk& key : keys) writer.raw(to_json(key));
  writer.end_array().end_object();
  return text;
}

}  // namespace outrigger::security::jwt
