#include "net/http/client.h"

#include <atomic>

#include "base/log.h"
#include "base/random.h"
#include "base/scope.h"
#include "net/grpc/channel.h"
#include "runtime/placement/addresses.h"
#include "runtime/placement/round.h"
#include "runtime/placement/service.h"

namespace outrigger::runtime::placement {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime.actors.placement");

constexpr std::string_view kMethod = "/dapr.proto.placement.v1.Placement/ReportDaprStatus";
constexpr std::string_view kReadyTarget = "internal-placement-service";

// facts/wire_notes.md, section 6.
constexpr Duration kReconnect = 500ms;
constexpr Duration kReconnectJitter = 250ms;
// A host that takes no connection shall not keep the next one waiting for as long as TCP would.
constexpr Duration kConnectTimeout = 5s;
// Placement pings its clients every 10 s at the least: if not even that comes, it has gone.
constexpr Duration kPingAfter = 20s;
constexpr Duration kPingTimeout = 5s;
// Tables of a thousand hosts and a hundred types, with room to spare.
constexpr std::size_t kOrderBytesMax = std::size_t{64} << 20;
// Reports and answers that the service has not taken yet.
constexpr std::size_t kUnsentMax = 256;

Duration reconnect_delay() {
  const double unit = 2 * fast_random_unit() - 1;
  const std::chrono::duration<double, std::nano> jitter = kReconnectJitter * unit;
  return kReconnect + std::chrono::duration_cast<Duration>(jitter);
}

net::ClientOptions http_options() {
  net::ClientOptions options;
  options.connect_timeout = kConnectTimeout;
  options.ping_after = kPingAfter;
  options.ping_timeout = kPingTimeout;
  return options;
}

bool is_follower(const Error& error) {
  return error.code() == Code::failed_precondition &&
         error.message().find("is not a leader") != std::string::npos;
}

/// One stream, from its first report to its end.
struct Stream {
  Stream(std::shared_ptr<net::grpc::ClientStream> opened, std::string to)
      : call(std::move(opened)), address(std::move(to)) {}
  std::shared_ptr<net::grpc::ClientStream> call;
  std::string address;
  Queue<std::string> unsent{kUnsentMax};
  Round round;
  /// Set if the stream was ended here, and not by the service.
  std::optional<Error> broken;
  bool ordered = false;

  void send(std::string message) {
    if (!unsent.try_push(std::move(message))) {
      end(Error(Code::unavailable, "the placement service takes no answers"));
    }
  }
  void end(Error why) {
    if (!broken) broken = std::move(why);
    call->cancel();
  }
};

}  // namespace

struct Client::Impl {
  Impl(Options given, Loops& all_loops, std::vector<Service*> all_services, Readiness& readiness)
      : options(std::move(given)),
        self{options.app_id, options.app_namespace, options.host_address, options.internal_port},
        loops(all_loops),
        services(std::move(all_services)),
        ready_targets(readiness),
        addresses(options.addresses, options.kubernetes),
        overdue([this] { on_overdue(); }) {
    ready_targets.add(std::string(kReadyTarget));
  }

  Options options;
  Reporter self;
  Loops& loops;
  std::vector<Service*> services;
  Readiness& ready_targets;
  Addresses addresses;
  std::vector<std::string> types;
  std::atomic<bool> ready = false;
  PointCache points;
  std::shared_ptr<const Tables> tables;
  // Made on loop 0.
  std::unique_ptr<net::Client> http;
  std::unique_ptr<Scope> scope;
  std::unique_ptr<Cancellation> handling;
  Stream* stream = nullptr;
  Timer overdue;

  Task<void> run();
  Task<Error> serve(net::Address address, bool* ordered);
  Task<void> write(Stream* to);
  Task<Result<>> read(Stream* from);
  Task<void> obey(Stream* from, Order order);
  Task<void> update(Stream* from, TableSource source);
  Task<void> unlock(std::vector<std::string> released);
  Task<void> lose();
  using Work = std::function<Task<void>(Service&)>;
  Task<void> on_all(Work work);
  void on_overdue();
  void watch_standstills();
  void on_standstill();
  /// Says to what is posted here that this object still lives.
  std::shared_ptr<Impl*> alive = std::make_shared<Impl*>(this);
};

Client::Client(Options options, Loops& loops, std::vector<Service*> services, Readiness& ready)
    : impl_(std::make_unique<Impl>(std::move(options), loops, std::move(services), ready)) {
  OUT_ASSERT(impl_->services.size() == loops.size());
}
Client::~Client() { OUT_ASSERT(impl_->scope == nullptr); }

void Client::set_types(std::vector<std::string> types) {
  impl_->types = std::move(types);
  if (impl_->stream != nullptr) impl_->stream->send(report_message(impl_->self, impl_->types));
}

void Client::set_drain(Drain drain) {
  const auto shared = std::make_shared<const Drain>(std::move(drain));
  for (unsigned i = 0; i < impl_->loops.size(); ++i) {
    Service* const service = impl_->services[i];
    impl_->loops[i].post([service, shared] { service->set_drain(shared); });
  }
}

void Client::open() {
  impl_->http = std::make_unique<net::Client>(http_options());
  impl_->handling = std::make_unique<Cancellation>();
  impl_->scope = std::make_unique<Scope>();
  impl_->watch_standstills();
  impl_->scope->spawn(impl_->run());
}

Task<void> Client::close() {
  if (impl_->scope == nullptr) co_return;
  impl_->handling->request();
  impl_->scope->cancel();
  co_await impl_->scope->join();
  co_await impl_->lose();
  co_await impl_->http->close();
  impl_->scope.reset();
  impl_->handling.reset();
  impl_->http.reset();
}

bool Client::ready() const noexcept { return impl_->ready.load(std::memory_order_relaxed); }

Task<void> Client::Impl::run() {
  Cancellation* const mine = co_await this_cancellation();
  std::size_t followers = 0;
  for (;;) {
    auto address = co_await addresses.next();
    std::optional<Error> ended;
    bool ordered = false;
    const TimePoint begun = Loop::current().now();
    if (address) {
      ended = co_await serve(*address, &ordered);
    } else {
      ended = address.error();
    }
    if (mine->requested()) co_return;
    if (!ordered && !is_follower(*ended) && options.on_report) options.on_report(&*ended);
    // Among replicas the leader is found without waiting, once around.
    if (is_follower(*ended)) {
      log.debug("Placement stream closed: ", *ended, ". Reconnecting...");
      if (++followers % std::max<std::size_t>(addresses.count(), 1) != 0) continue;
    } else if (ordered) {
      log.info("Placement stream closed: ", *ended, ". Reconnecting...");
      followers = 0;
      if (Loop::current().now() - begun > kReconnect) continue;
    } else {
      log.error("Failed to connect to placement service: ", *ended, ". Retrying...");
    }
    auto slept = co_await sleep_for(reconnect_delay());
    if (!slept) co_return;
  }
}

// How the stream ended.
Task<Error> Client::Impl::serve(net::Address address, bool* ordered) {
  log.debug("Attempting to connect to placement ", address.to_string());
  net::Endpoint endpoint;
  endpoint.address = address;
  endpoint.protocol = net::Endpoint::Protocol::http2;
  endpoint.tls = options.tls;
  endpoint.server_name = options.server_name;
  net::grpc::Channel channel(*http, std::move(endpoint));
  net::grpc::CallOptions call;
  call.message_bytes_max = kOrderBytesMax;
  Stream open(channel.stream(std::string(kMethod), std::move(call)), address.to_string());
  stream = &open;
  open.send(report_message(self, types));
  Cancellation writing;
  Scope writer;
  writer.spawn(write(&open), writing);
  auto ended = co_await read(&open);
  stream = nullptr;
  overdue.stop();
  open.call->cancel();
  writing.request();
  co_await writer.join();
  co_await channel.drain();
  *ordered = open.ordered;
  if (open.ordered) {
    ready = false;
    co_await lose().under(*handling);
  }
  if (open.broken) co_return *open.broken;
  if (!ended) co_return ended.error();
  co_return Error(Code::unavailable, "the placement service has ended the stream");
}

Task<void> Client::Impl::write(Stream* to) {
  for (;;) {
    auto message = co_await to->unsent.pop();
    if (!message || !*message) co_return;
    auto written = co_await to->call->write(*std::move(*message));
    if (!written) co_return;  // The reader is told why.
    if (options.on_report) options.on_report(nullptr);
  }
}

Task<Result<>> Client::Impl::read(Stream* from) {
  for (;;) {
    OUT_CO_TRY(auto bytes, co_await from->call->read());
    if (!bytes) co_return Result<>();
    auto order = parse_order(*bytes, self);
    if (!order) {
      from->end(std::move(order).error());
      co_return Result<>();
    }
    if (!from->ordered) log.info("Connected to placement service: ", from->address);
    from->ordered = true;
    co_await obey(from, *std::move(order)).under(*handling);
    if (from->broken) co_return Result<>();
  }
}

Task<void> Client::Impl::obey(Stream* from, Order order) {
  log.debug("Handling placement order=", order.operation_name, " version=", order.version);
  const Order::Operation operation = order.operation;
  if (options.on_order && operation != Order::Operation::unknown) {
    options.on_order(order.operation_name);
  }
  switch (from->round.next(order)) {
    case Round::Action::answer: overdue.start(options.round_timeout); break;
    case Round::Action::update:
      overdue.stop();
      co_await update(from, std::move(order.tables));
      if (from->broken) co_return;
      overdue.start(options.round_timeout);
      break;
    case Round::Action::unlock:
      overdue.stop();
      log.info("Dissemination complete for version ", order.version);
      co_await unlock(from->round.released());
      break;
    case Round::Action::ignore:
      log.warn("Ignoring an order of placement: ", from->round.reason());
      co_return;
    case Round::Action::close: from->end(Error(Code::internal, from->round.reason())); co_return;
  }
  from->send(answer_message(self, operation, from->round.version()));
}

Task<void> Client::Impl::update(Stream* from, TableSource source) {
  auto made = make_tables(std::move(source), tables.get(), points);
  if (!made) {
    from->end(std::move(made).error());
    co_return;
  }
  auto changed =
      std::make_shared<const std::vector<std::string>>(changed_types(tables.get(), **made));
  tables = *std::move(made);
  from->round.updated(*changed);
  Work install = [now = tables, changed](Service& service) {
    return service.update(now, *changed);
  };
  co_await on_all(std::move(install));
}

Task<void> Client::Impl::unlock(std::vector<std::string> released) {
  auto shared = std::make_shared<const std::vector<std::string>>(std::move(released));
  auto release = [](Service& on,
                    std::shared_ptr<const std::vector<std::string>> free) -> Task<void> {
    on.unlock(*free);
    co_return;
  };
  Work on_one = [release, shared](Service& service) { return release(service, shared); };
  co_await on_all(std::move(on_one));
  if (stream == nullptr) co_return;
  ready = true;
  ready_targets.set(std::string(kReadyTarget), true);
  if (options.on_round) options.on_round(types);
}

// The next stream's tables count as all new: others may have taken over our actors meanwhile, and
// have to let go of them before we begin.
Task<void> Client::Impl::lose() {
  tables.reset();
  ready = false;
  Work on_one = [](Service& service) { return service.lose(); };
  co_await on_all(std::move(on_one));
}

Task<void> Client::Impl::on_all(Work work) {
  return run_on_all(loops,
                    [this, work = std::move(work)](unsigned i) { return work(*services[i]); });
}

void Client::Impl::watch_standstills() {
  std::function<void()> tell = [home = &loops[0], weak = std::weak_ptr<Impl*>(alive)] {
    home->post([weak] {
      if (const auto self = weak.lock()) (*self)->on_standstill();
    });
  };
  for (unsigned i = 0; i < loops.size(); ++i) {
    loops[i].post([service = services[i], tell] { service->set_on_standstill(tell); });
  }
}

// The service may have counted this sidecar out meanwhile, and its word of that may still lie in a
// socket behind calls for actors that live elsewhere now.
void Client::Impl::on_standstill() {
  if (stream == nullptr) return;
  log.warn("This process stood still: connecting to the placement service anew");
  stream->end(Error(Code::unavailable, "the process stood still"));
}

void Client::Impl::on_overdue() {
  if (stream == nullptr) return;
  log.warn("Dissemination timeout for version ", stream->round.version(),
           ", closing stream to reconnect");
  stream->end(Error(Code::deadline_exceeded, "dissemination timeout for version " +
                                                 std::to_string(stream->round.version())));
}

}  // namespace outrigger::runtime::placement
