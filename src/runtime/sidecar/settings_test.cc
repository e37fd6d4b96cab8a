#include "runtime/sidecar/settings.h"

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/uuid.h"

namespace outrigger::runtime {
namespace {

/// A folder of resource files, and what becomes of them.
class SettingsTest : public testing::Test {
 protected:
  SettingsTest() { std::filesystem::create_directories(folder_); }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  Result<Settings> load(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--app-id=shop", "--resources-path=" + folder_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto options = options::parse_options(arguments, process_environment());
    if (!options) return std::unexpected(std::move(options).error());
    return load_settings(*std::move(options));
  }

  const std::string folder_ =
      std::filesystem::temp_directory_path() / ("settings_test_" + uuid_v4());
  const LogCapture logged_;
};

TEST_F(SettingsTest, NothingIsSaidOfWhatNobodyAskedFor) {
  ASSERT_TRUE(load());
  EXPECT_FALSE(logged_.contains("yet")) << logged_.text();
}

TEST_F(SettingsTest, FlagsThatHaveNoEffectYetAreNamedOnce) {
  ASSERT_TRUE(load({"--control-plane-address=here:1", "--profile-port=7778"}));
  EXPECT_TRUE(
      logged_.contains("Flags that have no effect yet: --profile-port, --control-plane-address"))
      << logged_.text();
}

TEST_F(SettingsTest, WithoutTheProtectionThatWasAskedForNothingStarts) {
  const auto refusal = [&](const char* flag) {
    auto loaded = load({flag});
    return loaded ? "none" : loaded.error().message();
  };
  ::unsetenv("DAPR_TRUST_ANCHORS");
  ::setenv("DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK", "true", 1);
  EXPECT_EQ(refusal("--enable-mtls"), "trust anchors are required");
  EXPECT_EQ(refusal("--mode=kubernetes"), "trust anchors are required");
  ::setenv("DAPR_TRUST_ANCHORS", "-----BEGIN CERTIFICATE-----", 1);
  EXPECT_EQ(refusal("--enable-mtls"), "none");
  EXPECT_EQ(refusal("--mode=kubernetes"),
            "--mode=kubernetes: this version cannot speak to the operator and to sentry yet");
  EXPECT_EQ(refusal("--sentry-address=here:1"), "none") << "anchors alone are no wish";
  EXPECT_EQ(refusal("--control-plane-trust-domain="), "control plane trust domain is required");
  ::unsetenv("DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK");
  if (::geteuid() == 0) {
    EXPECT_TRUE(refusal("--mode=kubernetes").starts_with("current user UID(0) is root."));
  }
  ::unsetenv("DAPR_TRUST_ANCHORS");
}

TEST_F(SettingsTest, ComponentsMayReferToWhatThisProgramKnowsOfItself) {
  ::unsetenv("DAPR_PORT");
  ASSERT_TRUE(load({"--app-port=8123", "--dapr-http-port=3511"}));
  EXPECT_EQ(env("APP_ID"), "shop");
  EXPECT_EQ(env("APP_PORT"), "8123");
  EXPECT_EQ(env("DAPR_HTTP_PORT"), "3511");
  EXPECT_TRUE(env("HOST_ADDRESS"));
  EXPECT_EQ(env("DAPR_PORT"), std::nullopt);  // Not chosen yet.
  ASSERT_TRUE(load({"--dapr-internal-grpc-port=5123"}));
  EXPECT_EQ(env("DAPR_PORT"), "5123");
}

}  // namespace
}  // namespace outrigger::runtime
