#include "runtime/sidecar/sidecar.h"

#include <filesystem>
#include <fstream>
#include <future>

#include "base/env.h"
#include "base/log.h"
#include "base/uuid.h"
#include "runtime/sidecar/ports.h"

namespace outrigger::runtime {
namespace {

TEST(Sidecar, AStopThatComesAfterAFatalErrorIsIgnored) {
  const LogCapture quiet;
  const std::string folder = std::filesystem::temp_directory_path() / ("sidecar_test_" + uuid_v4());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/bad.yaml") << R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bad}
spec: {type: state.nobody-has-it, version: v1, metadata: []}
)";
  const std::vector<std::string> arguments = {"--app-id=shop", "--resources-path=" + folder,
                                              "--enable-metrics=false",
                                              "--dapr-internal-grpc-listen-address=127.0.0.1"};
  auto options = options::parse_options(arguments, process_environment());
  ASSERT_TRUE(options);
  Ports ports;
  Sidecar sidecar(*std::move(options), ports, [](int) { FAIL() << "forced"; });
  std::promise<std::optional<Error>> over;
  ASSERT_TRUE(sidecar.start([&](std::optional<Error> error) {
    sidecar.stop(Lifetime::Wish::end);
    over.set_value(std::move(error));
  }));
  const auto error = over.get_future().get();
  sidecar.stop(Lifetime::Wish::end);
  sidecar.join();
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(error);
  EXPECT_NE(error->message().find("couldn't find state store state.nobody-has-it/v1"),
            std::string::npos)
      << error->message();
}

}  // namespace
}  // namespace outrigger::runtime
