#include "runtime/sidecar/live.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Live, SomeFieldsWaitForTheNextStart) {
  const resources::Configuration before;
  resources::Configuration now;
  EXPECT_THAT(waits_for_restart(before, now), IsEmpty());
  now.tracing.sampling_rate = "1";
  now.access_control.emplace();
  now.secret_scopes.push_back({"vault", "deny", {}, {}});
  now.denied_apis.push_back({"state", "v1", "http"});
  now.api_logging.enabled = true;
  now.http_pipeline.push_back({.name = "one"});
  now.features.insert(now.features.begin(), {"HotReload", false});
  EXPECT_THAT(waits_for_restart(before, now), IsEmpty());
  now.tracing.print_to_stdout = true;
  now.metrics.enabled = false;
  now.name_resolution.emplace();
  now.features.insert(now.features.begin(), {"ActorStateTTL", true});
  EXPECT_THAT(waits_for_restart(before, now),
              ElementsAre("tracing (all but samplingRate)", "metrics", "nameResolution",
                          "features (all but HotReload)"));
}

TEST(Live, IsMadeOfTheConfiguration) {
  Settings settings;
  settings.configuration.access_control.reset();
  settings.configuration.http_pipeline.push_back({.name = "one"});
  auto live = make_live(settings, nullptr);
  EXPECT_EQ(live->access, nullptr);
  EXPECT_EQ(live->http_pipeline.size(), 1U);
  EXPECT_TRUE(live->http->invokes_by_header);
  EXPECT_FALSE(live->http->public_only);
  EXPECT_TRUE(live->public_http->public_only);
  EXPECT_TRUE(live->internal_gate->internal);
  settings.configuration.access_control.emplace();
  settings.configuration.denied_apis.push_back({"invoke", "v1", "http"});
  live = make_live(settings, nullptr);
  EXPECT_NE(live->access, nullptr);
  EXPECT_FALSE(live->http->invokes_by_header);
}

}  // namespace
}  // namespace outrigger::runtime
