#include "runtime/sidecar/app_config.h"

#include "base/log.h"
#include "runtime/app/counted.h"

namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime");

constexpr const char* kPath = "/dapr/config";
constexpr std::size_t kBytesMax = 4U << 20;

}  // namespace

Task<actors::AppConfig> ask_app_config(app::Channel& app, const Settings& settings) {
  if (app.is_grpc()) co_return actors::AppConfig();
  if (settings.options.app.skip_config_call) {
    log.warn(
        "Skipping programmatic dapr configuration loading (see 'disable-init-endpoints' "
        "flag/annotation)");
    co_return actors::AppConfig();
  }
  net::Request request;
  request.method = "GET";
  request.target = kPath;
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Dapr-App-Id", settings.identity.app_id);
  auto response = co_await app::http_counted(app, kPath, std::move(request));
  if (!response) {
    log.warn("failed to load the application's configuration: ", response.error());
    co_return actors::AppConfig();
  }
  auto body = co_await response->body.read_all(kBytesMax);
  if (response->status != 200 || !body || body->empty()) co_return actors::AppConfig();
  auto config = actors::parse_app_config(*body);
  if (!config) {
    // As upstream, which says nothing: it then hosts no actors.
    log.warn("the application's answer to GET /dapr/config: ", config.error());
    co_return actors::AppConfig();
  }
  log.info("Application configuration loaded");
  if (config->has_reminder_partitions) {
    log.warn("remindersStoragePartitions is deprecated and will be removed in future versions");
  }
  co_return *std::move(config);
}

}  // namespace outrigger::runtime
