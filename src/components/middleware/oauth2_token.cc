#include "components/middleware/oauth2_token.h"

#include <algorithm>

#include "base/base64.h"
#include "base/json.h"
#include "base/strings.h"
#include "components/middleware/fetch.h"
#include "net/uri.h"

namespace outrigger::components::middleware::oauth2 {
namespace {

// Far above any provider's; applications' own limits for all headers are lower.
constexpr std::size_t kTokenBytesMax = 64 * 1024;
// What a provider says of its refusal, as far as it goes into a log.
constexpr std::size_t kQuotedBytesMax = 512;

/// The members of an answer that are looked at.
struct Answer {
  std::string access_token, token_type, error, description;
  std::optional<std::int64_t> expires_in;
};

bool read_seconds(std::string_view raw, std::optional<std::int64_t>& out) {
  if (raw == "null") return true;
  const auto text = json::string_value(raw);
  out = text ? parse_int<std::int64_t>(*text) : json::int_value(raw);
  return out.has_value();
}

std::optional<Answer> read_json(std::string_view body) {
  Answer answer;
  bool typed = true;
  const auto take = [&](std::string_view raw, std::string& out) {
    if (raw == "null") return;
    auto text = json::string_value(raw);
    typed = typed && text.has_value();
    out = text.value_or("");
  };
  json::ObjectReader members(body);
  while (members.next()) {
    if (members.key_is("access_token")) take(members.value(), answer.access_token);
    if (members.key_is("token_type")) take(members.value(), answer.token_type);
    if (members.key_is("error")) take(members.value(), answer.error);
    if (members.key_is("error_description")) take(members.value(), answer.description);
    if (members.key_is("expires_in")) {
      typed = read_seconds(members.value(), answer.expires_in) && typed;
    }
  }
  if (!members.ok() || !typed) return std::nullopt;
  return answer;
}

Answer read_form(std::string_view body) {
  Answer answer;
  answer.access_token = net::query_value(body, "access_token").value_or("");
  answer.token_type = net::query_value(body, "token_type").value_or("");
  answer.error = net::query_value(body, "error").value_or("");
  answer.description = net::query_value(body, "error_description").value_or("");
  answer.expires_in = parse_int<std::int64_t>(net::query_value(body, "expires_in").value_or(""));
  return answer;
}

/// The spelling that applications compare with.
std::string type_of(const std::string& given) {
  for (const char* known : {"Bearer", "MAC", "Basic"}) {
    if (equals_fold(given, known)) return known;
  }
  return given.empty() ? "Bearer" : given;
}

bool fits_a_header(std::string_view text) {
  return text.size() <= kTokenBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

Error refused(int status, const Answer& answer, std::string_view body) {
  std::string text = "oauth2: ";
  if (!answer.error.empty()) {
    text += quoted(answer.error.substr(0, kQuotedBytesMax));
    if (!answer.description.empty()) {
      text += " " + quoted(answer.description.substr(0, kQuotedBytesMax));
    }
  } else {
    text += "cannot fetch token: status " + std::to_string(status) + ", response " +
            quoted(body.substr(0, kQuotedBytesMax));
  }
  return {Code::unauthenticated, std::move(text)};
}

}  // namespace

Result<Token> read_token(int status, std::string_view content_type, std::string_view body) {
  const std::string media = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  const bool is_form = media == "application/x-www-form-urlencoded" || media == "text/plain";
  const auto answer = is_form ? std::optional(read_form(body)) : read_json(body);
  const bool failed = status < 200 || status > 299;
  if (failed || (answer && !answer->error.empty())) {
    return std::unexpected(refused(status, answer.value_or(Answer()), body));
  }
  if (!answer) return fail(Code::invalid_argument, "oauth2: cannot parse json of the response");
  if (answer->access_token.empty()) {
    return fail(Code::invalid_argument, "oauth2: server response missing access_token");
  }
  if (!fits_a_header(answer->access_token) || !fits_a_header(answer->token_type)) {
    return fail(Code::invalid_argument,
                "oauth2: the server's token cannot stand in a header: it is longer than 64 KiB or "
                "has spaces or control characters");
  }
  Token token{.type = type_of(answer->token_type), .value = answer->access_token, .lifetime = {}};
  if (answer->expires_in && *answer->expires_in != 0) {
    // As upstream's, 32 bits of them: 68 years.
    token.lifetime =
        std::chrono::seconds(std::clamp<std::int64_t>(*answer->expires_in, INT32_MIN, INT32_MAX));
  }
  return token;
}

std::string encode(const Form& form) {
  std::string text;
  for (const auto& [name, values] : form) {
    for (const std::string& value : values) {
      if (!text.empty()) text += '&';
      text += net::query_escape(name) + "=" + net::query_escape(value);
    }
  }
  return text;
}

// Some tell what they were sent when they refuse it, and what they tell goes into a log.
std::string TokenClient::without_secret(std::string text) const {
  const std::string& secret = provider_.client_secret;
  if (secret.empty()) return text;
  const std::string user = net::query_escape(provider_.client_id) + ":";
  for (const std::string& form :
       {secret, net::query_escape(secret), base64_encode(user + net::query_escape(secret))}) {
    text = replace_all(text, form, "***");
  }
  return text;
}

Task<Result<Token>> TokenClient::ask(Form form, AuthStyle style) {
  FetchRequest request;
  request.method = "POST";
  request.url = provider_.token_url;
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  if (style == AuthStyle::in_header) {
    const std::string user =
        net::query_escape(provider_.client_id) + ":" + net::query_escape(provider_.client_secret);
    request.headers.add("Authorization", "Basic " + base64_encode(user));
  } else {
    if (!provider_.client_id.empty()) form["client_id"] = {provider_.client_id};
    if (!provider_.client_secret.empty()) form["client_secret"] = {provider_.client_secret};
  }
  request.body = encode(form);
  OUT_CO_TRY(const auto answer, co_await fetch(std::move(request)));
  const std::string type(answer.headers.value("content-type"));
  auto token = read_token(answer.status, type, answer.body);
  if (token) co_return token;
  auto told = read_token(answer.status, type, without_secret(answer.body));
  if (!told) token = std::move(told);
  co_return token;
}

Task<Result<Token>> TokenClient::retrieve(Form form) {
  const AuthStyle fixed = provider_.style == AuthStyle::detect ? known_ : provider_.style;
  if (fixed != AuthStyle::detect) {
    auto token = co_await ask(std::move(form), fixed);
    co_return token;
  }
  auto token = co_await ask(form, AuthStyle::in_header);
  if (token) known_ = AuthStyle::in_header;
  const bool again = !token && token.error().code() != Code::cancelled;
  if (again) {
    token = co_await ask(std::move(form), AuthStyle::in_params);
    if (token) known_ = AuthStyle::in_params;
  }
  co_return token;
}

}  // namespace outrigger::components::middleware::oauth2
