#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

/// Tokens from the token endpoint of an OAuth 2 provider (RFC 6749).
namespace outrigger::components::middleware::oauth2 {

struct Token {
  std::string type;  ///< "Bearer" if the provider names none.
  std::string value;
  /// From now; nullopt if the provider does not say.
  std::optional<std::chrono::seconds> lifetime;

  /// What stands in an Authorization header.
  [[nodiscard]] std::string header() const { return type + " " + value; }
};

/// An answer of a token endpoint, JSON or a form. Code::unauthenticated if the provider refuses
/// (its own words are in the message), Code::invalid_argument if the answer cannot be read or its
/// token cannot stand in a header.
Result<Token> read_token(int status, std::string_view content_type, std::string_view body);

/// How a client names itself, by the numbers of the `authStyle` field.
enum class AuthStyle : std::uint8_t { detect = 0, in_params = 1, in_header = 2 };

struct Provider {
  std::string token_url;
  std::string client_id;
  std::string client_secret;
  AuthStyle style = AuthStyle::detect;
};

using Form = std::map<std::string, std::vector<std::string>>;
/// "a=1&b=2", sorted by name, escaped.
std::string encode(const Form& form);

/// Asks one provider for tokens, on one loop.
class TokenClient {
 public:
  explicit TokenClient(Provider provider) : provider_(std::move(provider)) {}
  /// With AuthStyle::detect it tries the header first, then the form, and keeps to what worked.
  Task<Result<Token>> retrieve(Form form);

 private:
  Task<Result<Token>> ask(Form form, AuthStyle style);
  [[nodiscard]] std::string without_secret(std::string text) const;
  const Provider provider_;
  AuthStyle known_ = AuthStyle::detect;
};

}  // namespace outrigger::components::middleware::oauth2
