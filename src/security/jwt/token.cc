#include "security/jwt/token.h"

#include <algorithm>
#include <cmath>

#include "base/base64.h"
#include "base/json.h"
#include "base/strings.h"
#include "security/jwt/signature.h"

namespace outrigger::security::jwt {
namespace {

std::unexpected<Error> refuse(std::string_view why) {
  return fail(Code::unauthenticated, std::string(why));
}

std::string url_text(std::string_view bytes) {
  return base64_encode(bytes, Base64Alphabet::url, Base64Padding::raw);
}

struct Header {
  std::string algorithm;
  std::string key_id;
};

/// A compact JWS, taken apart.
struct Parts {
  Header header;
  std::string payload;
  std::string signature;
  /// What is signed; a view into the token.
  std::string_view signed_text;
};

Result<Header> parse_header(std::string_view text) {
  Header header;
  json::ObjectReader members(text);
  while (members.next()) {
    // Twice the same name: two readers may each believe another one.
    if (members.key() == "alg") {
      if (!header.algorithm.empty()) return refuse("the header names two algorithms");
      header.algorithm = json::string_value(members.value()).value_or("");
    } else if (members.key() == "kid") {
      header.key_id = json::string_value(members.value()).value_or("");
    } else if (members.key() == "crit" || members.key() == "b64") {
      return refuse("the token needs extensions that are not known here");
    }
  }
  if (!members.ok()) return refuse("the header of the token is not a JSON object");
  return header;
}

std::optional<std::string> decode_url(std::string_view text) {
  // The decoder passes over line ends, which are no part of a token.
  if (text.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
  return base64_decode(text, Base64Alphabet::url, Base64Padding::raw);
}

Result<Parts> parse(std::string_view token) {
  if (token.size() > kTokenBytesMax) return refuse("the token is too long");
  const auto pieces = split(token, '.');
  if (pieces.size() != 3) return refuse("not a token of three parts");
  const auto header = decode_url(pieces[0]);
  auto payload = decode_url(pieces[1]);
  auto signature = decode_url(pieces[2]);
  if (!header || !payload || !signature) return refuse("a part of the token is not base64url");
  OUT_TRY(auto parsed, parse_header(*header));
  return Parts{.header = std::move(parsed),
               .payload = *std::move(payload),
               .signature = *std::move(signature),
               .signed_text = token.substr(0, pieces[0].size() + 1 + pieces[1].size())};
}

bool is_signed(const Parts& parts, const Jwk& key, Algorithm algorithm) {
  if (key.key_id != parts.header.key_id) return false;
  if (!key.use.empty() && key.use != "sig") return false;
  if (key.algorithm && *key.algorithm != algorithm) return false;
  return is_signature(parts.signed_text, parts.signature, key.key, algorithm);
}

/// NumericDate: seconds, perhaps with a fraction.
Result<std::optional<WallTime>> time_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  if (!raw || json::type_of(*raw) == json::Type::null) return std::optional<WallTime>();
  const auto seconds = json::double_value(*raw);
  // To the year 2262: what WallTime can hold.
  if (!seconds || !std::isfinite(*seconds) || std::abs(*seconds) > 9.2e9) {
    return refuse("the claim " + std::string(name) + " is not a time");
  }
  const auto since = std::chrono::duration<double>(*seconds);
  return std::optional(WallTime(std::chrono::duration_cast<std::chrono::nanoseconds>(since)));
}

Result<std::vector<std::string>> audiences_of(std::string_view object) {
  std::vector<std::string> found;
  const auto raw = json::member(object, "aud");
  if (!raw) return found;
  if (auto one = json::string_value(*raw)) {
    found.push_back(*std::move(one));
    return found;
  }
  json::ArrayReader elements(*raw);
  while (elements.next()) {
    auto text = json::string_value(elements.value());
    if (!text) return refuse("the claim aud is neither a text nor a list of texts");
    found.push_back(*std::move(text));
  }
  if (!elements.ok()) return refuse("the claim aud is neither a text nor a list of texts");
  return found;
}

Result<std::string> text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  if (!raw) return std::string();
  auto text = json::string_value(*raw);
  if (!text) return refuse("the claim " + std::string(name) + " is not a text");
  return *std::move(text);
}

Result<Claims> parse_claims(std::string payload) {
  if (!json::is_valid(payload) || json::type_of(payload) != json::Type::object) {
    return refuse("the payload of the token is not a JSON object");
  }
  Claims claims;
  OUT_TRY(claims.issuer, text_of(payload, "iss"));
  OUT_TRY(claims.subject, text_of(payload, "sub"));
  OUT_TRY(claims.audience, audiences_of(payload));
  OUT_TRY(claims.expires, time_of(payload, "exp"));
  OUT_TRY(claims.not_before, time_of(payload, "nbf"));
  OUT_TRY(claims.issued, time_of(payload, "iat"));
  claims.json = std::move(payload);
  return claims;
}

Result<> check(const Claims& claims, const Expected& expected) {
  const auto early = expected.now + expected.skew;
  const auto late = expected.now - expected.skew;
  if (claims.expires && late >= *claims.expires) return refuse("\"exp\" not satisfied");
  if (claims.not_before && early < *claims.not_before) return refuse("\"nbf\" not satisfied");
  if (claims.issued && early < *claims.issued) return refuse("\"iat\" not satisfied");
  const bool for_us =
      expected.audience.empty() ||
      std::ranges::find(claims.audience, expected.audience) != claims.audience.end();
  if (!for_us) return refuse("\"aud\" not satisfied");
  if (!expected.subject.empty() && claims.subject != expected.subject) {
    return refuse("\"sub\" not satisfied");
  }
  if (!expected.issuer.empty() && claims.issuer != expected.issuer) {
    return refuse("\"iss\" not satisfied");
  }
  return {};
}

}  // namespace

Result<std::string> sign(std::string_view payload, const x509::PrivateKey& key, Algorithm algorithm,
                         std::string_view key_id) {
  std::string header;
  json::Writer writer(header);
  writer.begin_object().member("alg", to_string(algorithm));
  if (!key_id.empty()) writer.member("kid", key_id);
  writer.member("typ", "JWT").end_object();
  std::string token = url_text(header) + "." + url_text(payload);
  OUT_TRY(const auto signature, make_signature(token, key, algorithm));
  return token + "." + url_text(signature);
}

Result<Claims> verify(std::string_view token, std::span<const Jwk> keys, const Expected& expected) {
  OUT_TRY(auto parts, parse(token));
  const auto algorithm = parse_algorithm(parts.header.algorithm);
  if (!algorithm) return refuse("tokens with the algorithm of this one are not accepted");
  if (parts.header.key_id.empty()) return refuse("the token does not name its key (kid)");
  const bool known =
      std::ranges::any_of(keys, [&](const Jwk& key) { return is_signed(parts, key, *algorithm); });
  if (!known) return refuse("could not verify message using any of the signatures or keys");
  OUT_TRY(auto claims, parse_claims(std::move(parts.payload)));
  OUT_CHECK(check(claims, expected));
  return claims;
}

std::optional<std::string> key_id_of(std::string_view token) {
  auto parts = parse(token);
  if (!parts || parts->header.key_id.empty()) return std::nullopt;
  return std::move(parts->header.key_id);
}

}  // namespace outrigger::security::jwt
