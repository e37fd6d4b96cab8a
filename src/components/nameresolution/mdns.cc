#include <unistd.h>

#include "base/log.h"
#include "components/component.h"
#include "components/nameresolution/mdns_engine.h"
#include "components/nameresolution/resolver.h"

namespace outrigger::components::nameresolution {
namespace {

using mdns::Engine;
using mdns::Mirror;
using mdns::Service;

const Logger log("dapr.contrib");

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

class MdnsResolver final : public Resolver {
 public:
  MdnsResolver(Loop& loop, std::shared_ptr<Engine> engine)
      : loop_(loop), engine_(std::move(engine)) {}

  Task<Result<>> init(Instance instance) override {
    OUT_CO_TRY(auto service, service_of(instance));
    std::move_only_function<Task<Result<>>()> attach = [this, service = std::move(service)] {
      return attached(engine_, service, &loop_, mirror_);
    };
    auto done = co_await call_on<void>(engine_->home(), std::move(attach));
    const bool first = &loop_ == &engine_->home();
    if (done && first) {
      log.info("local service entry announced: ", instance.app_id, " -> ", instance.address, ":",
               instance.internal_port);
    }
    co_return done;
  }

  std::optional<std::string> resolve_now(const ResolveRequest& request) override {
    return mirror_->next(request.id, loop_.now());
  }

  Task<Result<std::string>> resolve(ResolveRequest request) override {
    auto known = resolve_now(request);
    if (known) co_return std::move(*known);
    std::move_only_function<Task<Result<std::string>>()> look =
        [engine = engine_, id = std::move(request.id)] { return engine->lookup(id); };
    auto found = co_await call_on<std::string>(engine_->home(), std::move(look));
    co_return found;
  }

  void evict(std::string_view id, std::string_view address) override {
    mirror_->remove(id, address);
    auto tell = [engine = engine_, app_id = std::string(id), gone = std::string(address)] {
      engine->evict(app_id, gone);
    };
    engine_->home().post(std::move(tell));
  }

  Task<void> close() override {
    Cancellation never;
    co_await detach().under(never);
  }

 private:
  static Result<std::optional<Service>> service_of(const Instance& instance) {
    if (instance.app_id.empty()) return fail(Code::invalid_argument, "name is missing");
    if (instance.address.empty()) return fail(Code::invalid_argument, "address is missing");
    const std::string host = host_name();
    OUT_TRY(auto service, mdns::make_service({.app_id = instance.app_id,
                                              .host = host,
                                              .instance = host + ":" + std::to_string(::getpid()),
                                              .address = instance.address,
                                              .port = instance.internal_port}));
    if (mdns::can_be_found(instance.app_id)) return service;
    log.warn("the app id ", instance.app_id,
             " is too long for mDNS: other apps cannot find this one");
    return std::nullopt;
  }

  static Task<Result<>> attached(std::shared_ptr<Engine> engine, std::optional<Service> service,
                                 Loop* loop, std::shared_ptr<Mirror> mirror) {
    auto done = engine->attach(std::move(service), *loop, std::move(mirror));
    co_return done;
  }

  static Task<Result<>> detached(std::shared_ptr<Engine> engine, std::shared_ptr<Mirror> mirror) {
    engine->detach(*mirror);
    co_return Result<>();
  }

  Task<void> detach() {
    std::move_only_function<Task<Result<>>()> leave = [engine = engine_, mirror = mirror_] {
      return detached(engine, mirror);
    };
    [[maybe_unused]] auto done = co_await call_on<void>(engine_->home(), std::move(leave));
  }

  Loop& loop_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Mirror> mirror_ = std::make_shared<Mirror>();
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_mdns(const Metadata&, ComponentContext& context) {
  // The socket lives on the loop of the instance that is made first.
  std::move_only_function<Result<std::shared_ptr<Engine>>()> make = [&context] {
    return std::make_shared<Engine>(context.loop);
  };
  OUT_TRY(auto engine, context.shared<Engine>(std::move(make)));
  return std::make_unique<MdnsResolver>(context.loop, std::move(engine));
}

std::vector<FieldInfo> mdns_fields() { return {}; }

}  // namespace outrigger::components::nameresolution
