#include "control/scheduler/program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "control/core/service.h"
#include "control/scheduler/api.h"
#include "control/scheduler/options.h"
#include "control/scheduler/sqlite_store.h"

namespace outrigger::control::scheduler {
namespace {

const Logger log("dapr.scheduler");

/// The address of the interface that traffic leaves by; nothing is sent.
std::string outgoing_address() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(80);
  far.sin_addr.s_addr = htonl(0x08080808);
  sockaddr_in own{};
  socklen_t length = sizeof own;
  const bool known = fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&far), sizeof far) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) == 0;
  if (fd >= 0) ::close(fd);
  char text[INET_ADDRSTRLEN] = "127.0.0.1";
  if (known) ::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text);
  return text;
}

std::string broadcast_address(const Options& options) {
  if (options.broadcast) return *options.broadcast;
  const std::string& listen = options.common.listen_address;
  const std::string port = ":" + std::to_string(options.common.port);
  if (listen == "::1") return "[::1]" + port;
  if (listen == "localhost" || listen == "127.0.0.1" || listen == "[::1]") return listen + port;
  const auto given = process_environment()("DAPR_HOST_IP").value_or("");
  return (given.empty() ? outgoing_address() : given) + port;
}

class SchedulerService final : public Service {
 public:
  SchedulerService(Options options, Host host)
      : options_(std::move(options)),
        host_(std::move(host)),
        metrics_(host_.metrics),
        store_(SqliteOptions{.folder = options_.data_dir}),
        engine_(store_, clock_, metrics_, EngineOptions{},
                [this](bool healthy) { host_.ready.set("scheduler-store", healthy); }),
        api_(engine_, metrics_) {
    host_.ready.add("scheduler-server");
    host_.ready.add("scheduler-store");
  }

  Task<Result<>> open() override {
    if (!options_.ignored.empty()) {
      log.info("Without effect here, for there is no etcd inside: --",
               join(options_.ignored, ", --"));
    }
    const std::string address = broadcast_address(options_);
    OUT_CO_CHECK(co_await engine_.open(address));
    host_.ready.set("scheduler-store", true);
    host_.ready.set("scheduler-server", true);
    log.info("Jobs are kept in ", options_.data_dir, "; sidecars are told ", address);
    co_return Result<>();
  }
  net::RequestHandler& grpc(unsigned) override { return api_.service(); }
  Task<void> drain() override {
    host_.ready.set("scheduler-server", false);
    co_await api_.drain();
  }
  Task<void> close() override { co_await engine_.close(); }

 private:
  Options options_;
  Host host_;
  Metrics metrics_;
  SqliteStore store_;
  SystemClock clock_;
  Engine engine_;
  Api api_;
};

}  // namespace

int serve(std::span<const std::string> arguments) {
  int exit_code = 0;
  auto options = parse_options(arguments, exit_code);
  if (!options) return exit_code;
  Program program;
  program.title = "Dapr Scheduler Service";
  program.options = options->common;
  // What triggers jobs belongs to one loop; the disk has threads of its own.
  program.loops = 1;
  program.make = [&options](Host host) -> std::unique_ptr<Service> {
    return std::make_unique<SchedulerService>(*options, std::move(host));
  };
  return run(std::move(program));
}

}  // namespace outrigger::control::scheduler
