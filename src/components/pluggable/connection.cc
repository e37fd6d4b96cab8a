#include "components/pluggable/connection.h"

#include "base/log.h"
#include "base/scope.h"
#include "components/pluggable/messages.h"
#include "dapr/proto/components/v1/common.pb.h"
#include "dapr/proto/components/v1/state.pb.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
namespace proto = dapr::proto::components::v1;

constexpr Logger log("pluggable-components-grpc-connector");

// Until another loop has initialised the component.
constexpr Duration kPoll = 5ms;
// The first time the component's init timeout holds; later the calls that wait have none of theirs.
constexpr Duration kAgainPatience = 30s;

}  // namespace

struct Connection::Link {
  explicit Link(const std::string& socket) : endpoint(endpoint_of(socket)) {}

  static net::Endpoint endpoint_of(const std::string& socket) {
    net::Endpoint endpoint;
    endpoint.address = {socket, 0};
    endpoint.protocol = net::Endpoint::Protocol::http2;
    return endpoint;
  }

  net::Endpoint endpoint;
  net::Client client;
  // A path would be no authority; grpc clients send this one for Unix sockets.
  net::grpc::Channel channel{client, endpoint, "localhost"};
};

Connection::Connection(Target target, const Metadata& metadata, std::shared_ptr<Session> session)
    : target_(std::move(target)),
      name_(metadata.name),
      properties_(metadata.properties),
      session_(std::move(session)) {}

Connection::~Connection() { OUT_ASSERT(link_ == nullptr); }

std::string Connection::method(std::string_view name) const {
  return "/" + target_.service + "/" + std::string(name);
}

bool Connection::has(std::string_view feature) const noexcept {
  return std::ranges::find(features_, feature) != features_.end();
}

Task<Result<>> Connection::open() {
  link_ = std::make_unique<Link>(target_.socket);
  OUT_CO_CHECK(co_await initialise());
  features_ = session_->features();
  co_return Result<>();
}

Task<void> Connection::close() {
  if (link_ == nullptr) co_return;
  co_await link_->channel.drain();
  co_await link_->client.close();
  link_.reset();
}

bool Connection::started_anew() const {
  const std::uint64_t now = socket_identity(target_.socket);
  return now != 0 && now != identity_;
}

Task<Result<>> Connection::initialise() {
  for (;;) {
    const std::uint64_t identity = socket_identity(target_.socket);
    const auto turn = session_->begin(identity);
    if (turn == Session::Turn::others) {
      OUT_CO_CHECK(co_await sleep_for(kPoll));
      continue;
    }
    // What is left of connections to a program before this one.
    if (identity_ != 0) link_->client.forget(link_->endpoint);
    if (turn == Session::Turn::mine) {
      std::optional<Duration> timeout;
      if (identity_ != 0) {
        log.info("component ", name_, " was started anew: initialising it again");
        timeout = kAgainPatience;
      }
      auto features = co_await introduce(timeout);
      session_->end(identity, features ? &*features : nullptr);
      if (!features) co_return fail(std::move(features).error());
    }
    identity_ = identity;
    co_return Result<>();
  }
}

Task<Result<std::vector<std::string>>> Connection::introduce(std::optional<Duration> timeout) {
  // The requests and answers of all kinds of components are alike.
  proto::InitRequest request;
  copy_to(properties_, request.mutable_metadata()->mutable_properties());
  auto options = call_options();
  options.timeout = timeout;
  auto initialised =
      co_await link_->channel.unary(method("Init"), request.SerializeAsString(), options);
  OUT_CO_CHECK(read_reply<proto::InitResponse>(initialised, &status_error));
  auto reply = co_await link_->channel.unary(method("Features"), std::string(), options);
  OUT_CO_TRY(const auto answer, read_reply<proto::FeaturesResponse>(reply, &status_error));
  co_return std::vector<std::string>(answer.features().begin(), answer.features().end());
}

net::grpc::CallOptions Connection::call_options() const {
  net::grpc::CallOptions options;
  options.metadata.add("x-component-instance", name_);
  return options;
}

Task<Result<net::grpc::Reply>> Connection::call(std::string path, std::string message,
                                                std::optional<Duration> timeout) {
  if (started_anew()) {
    OUT_CO_CHECK(co_await initialise());
  }
  auto options = call_options();
  options.timeout = timeout;
  auto reply =
      co_await link_->channel.unary(std::move(path), std::move(message), std::move(options));
  co_return reply;
}

Task<Result<std::shared_ptr<net::grpc::ClientStream>>> Connection::stream(std::string path) {
  if (started_anew()) {
    OUT_CO_CHECK(co_await initialise());
  }
  co_return link_->channel.stream(std::move(path), call_options());
}

Task<Result<>> Connection::ping() {
  auto reply = co_await call(method("Ping"), std::string());
  OUT_CO_CHECK(read_reply<proto::PingResponse>(reply, &status_error));
  co_return Result<>();
}

}  // namespace outrigger::components::pluggable
