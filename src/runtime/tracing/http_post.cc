#include "runtime/tracing/http_post.h"

#include <algorithm>

#include "base/build_info.h"
#include "base/scope.h"
#include "base/strings.h"

namespace outrigger::runtime::tracing {
namespace {

// Answers say little; what is longer than this is not worth reading.
constexpr std::size_t kAnswerBytesMax = 64U << 10;
constexpr std::int64_t kRetryAfterMaxSeconds = 60;

bool is_worth_another_try(int status) noexcept {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

/// Only the form in seconds: a date would need clocks that agree.
std::optional<Duration> retry_after(const net::Headers& headers) {
  const auto seconds = parse_int<std::int64_t>(trim(headers.value("retry-after")));
  if (!seconds || *seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min(*seconds, kRetryAfterMaxSeconds));
}

}  // namespace

Task<Result<net::Response>> HttpPost::exchange(net::Request request) {
  OUT_CO_TRY(auto response, co_await client_->send(target_.endpoint, std::move(request)));
  OUT_CO_TRY(response.body.whole, co_await response.body.read_all(kAnswerBytesMax));
  response.body.stream.reset();
  co_return response;
}

Task<Delivery> HttpPost::post(std::string body, std::string* answer) {
  if (!client_) client_.emplace();
  net::Request request;
  request.method = "POST";
  request.scheme = target_.endpoint.tls ? "https" : "http";
  request.authority = target_.authority;
  request.target = target_.path;
  request.headers = target_.headers;
  request.headers.set("user-agent", "outrigger/" + std::string(build_version()));
  request.content_length = body.size();
  request.body = std::move(body);
  auto response = co_await with_timeout(exchange(std::move(request)), target_.timeout);
  Delivery delivery;
  if (!response) {
    // An answer that is too long is an answer.
    delivery.retry = response.error().code() != Code::resource_exhausted;
    delivery.result = std::unexpected(std::move(response).error());
    co_return delivery;
  }
  if (response->status >= 200 && response->status < 300) {
    *answer = std::move(response->body.whole);
    co_return delivery;
  }
  delivery.retry = is_worth_another_try(response->status);
  if (delivery.retry) delivery.retry_after = retry_after(response->headers);
  delivery.result = fail(Code::unavailable,
                         "the receiver answered with status " + std::to_string(response->status));
  co_return delivery;
}

Task<void> HttpPost::close() {
  if (client_) co_await client_->close();
  client_.reset();
}

}  // namespace outrigger::runtime::tracing
