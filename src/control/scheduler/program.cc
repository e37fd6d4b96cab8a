#include "control/scheduler/program.h"

#include <filesystem>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "control/core/service.h"
#include "control/scheduler/api.h"
#include "control/scheduler/etcd_face.h"
#include "control/scheduler/etcd_store.h"
#include "control/scheduler/options.h"
#include "control/scheduler/postgres_store.h"
#include "control/scheduler/sqlite_store.h"
#include "control/scheduler/watched_store.h"

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

EtcdFace::Options etcd_options(const Options& options) {
  const std::string& listen = options.etcd_client_listen_address;
  return {.address = listen == "localhost" ? "127.0.0.1" : listen,
          .port = static_cast<std::uint16_t>(options.etcd_client_port),
          .id = options.id};
}

/// On the loop that uses it.
Result<std::unique_ptr<Store>> make_store(const Options& options) {
  if (!options.postgres.empty()) {
    return make_postgres_store({.connection_string = options.postgres, .id = options.id});
  }
  if (!options.embed) {
    return make_etcd_store({.endpoints = options.etcd_endpoints,
                            .username = options.etcd_username,
                            .password = options.etcd_password,
                            .id = options.id});
  }
  return std::make_unique<SqliteStore>(SqliteOptions{.folder = options.data_dir});
}

/// Whether upstream's scheduler has kept jobs in this folder.
bool holds_etcd(const std::filesystem::path& folder) {
  std::error_code error;
  const auto inside = [&error](const std::filesystem::path& one) {
    return std::filesystem::exists(one / "dapr-0.1" / "member", error);
  };
  if (inside(folder)) return true;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (inside(entry.path())) return true;
  }
  return false;
}

std::string place_of(const Options& options) {
  if (!options.postgres.empty()) return "PostgreSQL";
  if (!options.embed) return "etcd at " + join(options.etcd_endpoints, ", ");
  return options.data_dir;
}

class SchedulerService final : public Service {
 public:
  SchedulerService(Options options, Host host)
      : options_(std::move(options)), host_(std::move(host)), metrics_(host_.metrics) {
    host_.ready.add("scheduler-server");
    host_.ready.add("scheduler-store");
    host_.ready.add("scheduler-writes");
  }

  Task<Result<>> open() override {
    if (!options_.ignored.empty()) {
      log.info("Without effect here, for there is no etcd inside: --",
               join(options_.ignored, ", --"));
    }
    OUT_CO_TRY(auto store, make_store(options_));
    parts_ = std::make_unique<Parts>(std::move(store), *this);
    const std::string address = broadcast_address(options_);
    OUT_CO_CHECK(co_await parts_->engine.open(address));
    host_.ready.set("scheduler-store", true);
    host_.ready.set("scheduler-writes", true);
    host_.ready.set("scheduler-server", true);
    // Upstream cannot do without this port; here only the CLI misses it, and an etcd outside has
    // its own.
    if (options_.embed) {
      if (auto opened = parts_->etcd.open(); !opened) {
        log.warn("The port for clients of etcd is not served: ", opened.error());
      }
    }
    if (options_.embed && options_.postgres.empty() && holds_etcd(options_.data_dir)) {
      log.error("The folder ", options_.data_dir,
                " also has jobs in upstream's form, which are NOT ",
                "read. Export them with upstream's scheduler running (dapr scheduler export), and ",
                "import them into this one (dapr scheduler import)");
    }
    log.info("Jobs are kept in ", place_of(options_), "; sidecars are told ", address);
    co_return Result<>();
  }
  net::RequestHandler& grpc(unsigned) override { return parts_->api.service(); }
  Task<void> drain() override {
    host_.ready.set("scheduler-server", false);
    if (!parts_) co_return;
    co_await parts_->engine.wind_down(kDrainMax);
    co_await parts_->api.drain();
  }
  Task<void> close() override {
    if (!parts_) co_return;
    co_await parts_->etcd.close();
    co_await parts_->engine.close();
    parts_.reset();
  }

 private:
  /// What is made on the loop.
  struct Parts {
    Parts(std::unique_ptr<Store> made, SchedulerService& service)
        : store(std::move(made), service.metrics_,
                [&service](bool works) { service.host_.ready.set("scheduler-writes", works); }),
          engine(store, clock, service.metrics_, EngineOptions{},
                 [&service](bool healthy) { service.host_.ready.set("scheduler-store", healthy); }),
          api(engine, service.metrics_),
          etcd(engine, service.host_.loops, etcd_options(service.options_)) {}
    WatchedStore store;
    SystemClock clock;
    Engine engine;
    Api api;
    EtcdFace etcd;
  };

  Options options_;
  Host host_;
  Metrics metrics_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace

int serve(std::span<const std::string> arguments) {
  int exit_code = 0;
  auto options = parse_options(arguments, exit_code);
  if (!options) return exit_code;
  Program program;
  program.title = "Dapr Scheduler Service";
  program.id = "dapr-scheduler";
  program.options = options->common;
  // What triggers jobs belongs to one loop; the disk has threads of its own.
  program.loops = 1;
  program.make = [&options](Host host) -> std::unique_ptr<Service> {
    return std::make_unique<SchedulerService>(*options, std::move(host));
  };
  return run(std::move(program));
}

}  // namespace outrigger::control::scheduler
