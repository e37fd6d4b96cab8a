#include "runtime/pubsub/app_subscriptions.h"

#include "base/log.h"
#include "base/random.h"
#include "base/sync.h"
#include "runtime/app/counted.h"

namespace outrigger::pubsub {
namespace {

using std::chrono::milliseconds;

const Logger log("dapr.runtime.processor.subscription");

// The policy DaprBuiltInInitializationRetries.
constexpr int kRetriesMax = 3;
constexpr milliseconds kWaitMax(1000);
constexpr double kGrowth = 1.5;
constexpr double kJitter = 0.5;

constexpr std::size_t kAnswerBytesMax = std::size_t{4} << 20;

Duration with_jitter(milliseconds wait) {
  const double factor = 1 - kJitter + 2 * kJitter * fast_random_unit();
  return std::chrono::duration_cast<Duration>(wait * factor);
}

}  // namespace

namespace detail {

Task<Result<std::vector<SubscriptionPtr>>> fetch_http(runtime::app::Channel* app) {
  constexpr const char* kPath = "/dapr/subscribe";
  net::Request request;
  request.method = "GET";
  request.target = kPath;
  request.headers.add("Content-Type", "application/json");
  request.headers.add("dapr-app-id", app->options().app_id);
  OUT_CO_TRY(auto response, co_await runtime::app::http_counted(*app, kPath, std::move(request)));
  auto body = co_await response.body.read_all(kAnswerBytesMax);
  if (response.status == 404) {
    log.debug("user app did not subscribe to any topic");
    co_return std::vector<SubscriptionPtr>();
  }
  if (response.status != 200) {
    log.error("app returned http status code ", response.status, " from subscription endpoint");
    co_return std::vector<SubscriptionPtr>();
  }
  if (!body) co_return std::unexpected(std::move(body).error());
  auto parsed = parse_app_subscriptions(*body);
  if (!parsed) {
    log.error("error getting topics from app: ", parsed.error());
    co_return std::unexpected(std::move(parsed).error());
  }
  for (const std::string& warning : parsed->warnings) log.warn(warning);
  co_return std::move(parsed->subscriptions);
}

}  // namespace detail

Task<Result<std::vector<SubscriptionPtr>>> fetch_app_subscriptions(runtime::app::Channel* app,
                                                                   milliseconds first_wait) {
  milliseconds wait = first_wait;
  for (int retry = 0;; ++retry) {
    auto asking = app->is_grpc() ? detail::fetch_grpc(app) : detail::fetch_http(app);
    auto fetched = co_await std::move(asking);
    if (fetched || fetched.error().code() == Code::invalid_argument) co_return fetched;
    if (retry == kRetriesMax) {
      log.error("error getting topic list from app: ", fetched.error());
      co_return fetched;
    }
    OUT_CO_CHECK(co_await sleep_for(with_jitter(wait)));
    wait = std::min(kWaitMax, std::chrono::duration_cast<milliseconds>(wait * kGrowth));
  }
}

}  // namespace outrigger::pubsub
