#include "runtime/invoke/service.h"

#include "runtime/invoke/internal.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/proxy.h"
#include "runtime/invoke/status.h"
#include "runtime/invoke/target.h"
#include "runtime/resiliency/backoff.h"

namespace outrigger::runtime::invoke {
namespace {

using telemetry::ServiceMetrics;

std::size_t limit_or_none(std::size_t bytes_max) {
  // Half of the range, for sums with it must not wrap round.
  return bytes_max == 0 ? SIZE_MAX / 2 : bytes_max;
}

RemoteCaller::Options remote_options(const Service::Settings& settings) {
  RemoteCaller::Options options;
  options.message_bytes_max = limit_or_none(settings.body_bytes_max);
  options.body_bytes_max = settings.body_bytes_max;
  return options;
}

bool is_transient(Code code) noexcept {
  return code == Code::unavailable || code == Code::unauthenticated;
}

bool has_failed(const Reply& reply) noexcept {
  return reply.is_http() ? reply.status < 200 || reply.status > 399 : reply.status != 0;
}

// Whether another replica might have done better.
bool is_replicas_fault(const Result<Reply>& reply) noexcept {
  if (!reply) return resiliency::speaks_against_replica(reply.error().code());
  if (reply->is_http()) return reply->status >= 500;
  return resiliency::speaks_against_replica(static_cast<Code>(reply->status));
}

/// An attempt that takes too long ends in its body, too.
class BodyDeadline final : public net::Pipe::Filter {
 public:
  BodyDeadline(std::weak_ptr<net::Pipe> pipe, TimePoint when)
      : timer_([pipe = std::move(pipe)] { Loop::current().post([pipe] { cut(pipe); }); }) {
    timer_.start_at(when);
  }
  std::size_t on_bytes(std::string_view bytes, std::optional<Error>&) override {
    return bytes.size();
  }
  std::optional<net::Headers> on_error(const Error&) override { return std::nullopt; }

 private:
  // In a later turn, for the pipe may go by it and take the timer along.
  static void cut(const std::weak_ptr<net::Pipe>& weak) {
    const auto pipe = weak.lock();
    if (pipe) pipe->cut(Error(Code::deadline_exceeded, "context deadline exceeded"));
  }
  Timer timer_;
};

void end_in_time(const std::shared_ptr<net::Pipe>& body, TimePoint begun, Duration limit) {
  // Longer than the clock goes on: there is nothing to wait for.
  if (body->ended() || limit > TimePoint::max() - begun) return;
  body->set_filter(std::make_unique<BodyDeadline>(body, begun + limit));
}

}  // namespace

Service::Service(Settings settings)
    : settings_(std::move(settings)),
      policies_(settings_.policies != nullptr ? *settings_.policies : built_in_policies_),
      message_bytes_max_(limit_or_none(settings_.body_bytes_max)),
      forwarding_(settings_.identity.app_id, settings_.identity.app_namespace,
                  settings_.identity.host_address, settings_.host_name),
      app_(*settings_.metrics),
      peers_(settings_.peers),
      remote_(peers_, scope_, remote_options(settings_)),
      outside_(*settings_.metrics),
      endpoints_(std::make_shared<const Endpoints>()),
      api_fallback_(std::make_unique<Proxy>(*this, Proxy::Server::api)),
      internal_fallback_(std::make_unique<InternalCalls>(*this)) {
  app_.limit_by(policies_, settings_.identity.app_id);
  peers_.set_avoided([this](const peers::Target& target, std::string_view address) {
    const auto outliers = policies_.outliers(target.app_id);
    return outliers != nullptr && outliers->ejected(address, Loop::current().now());
  });
}

Service::~Service() = default;

void Service::set_endpoints(std::shared_ptr<const Endpoints> endpoints) {
  outside_.forget(*endpoints_, *endpoints);
  endpoints_ = std::move(endpoints);
}

Task<Result<Reply>> Service::invoke(std::string app, Request request, TraceContext trace) {
  auto method = normalise_method(request.method);
  if (!method) {
    co_return fail(
        rpc_error(Code::invalid_argument, "invalid method: " + method.error().message()));
  }
  request.method = *std::move(method);
  resiliency::Policy policy = policy_of(app, request.method);
  if (policy.empty()) {
    auto reply = co_await invoke_once(std::move(app), std::move(request), std::move(trace));
    co_return reply;
  }
  auto reply = co_await invoke_under(std::move(policy), std::move(app), std::move(request),
                                     std::move(trace));
  co_return reply;
}

resiliency::Policy Service::policy_of(std::string_view app, std::string_view method) const {
  if (is_url(app)) return policies_.app(app, method, "/");
  const Endpoints::Endpoint* const endpoint = endpoints_->find(app);
  return policies_.app(app, endpoint != nullptr ? std::string_view(endpoint->base_url) : method);
}

Task<Result<Reply>> Service::invoke_under(resiliency::Policy policy, std::string app,
                                          Request request, TraceContext trace) {
  if (policy.repeats() && request.body.is_stream() && !request.is_unbounded()) {
    auto whole = co_await request.body.stream->read_all(message_bytes_max_);
    if (!whole) co_return std::unexpected(std::move(whole).error());
    request.body = net::Body(*std::move(whole));
  }
  std::optional<Result<Reply>> reply;
  TimePoint begun;
  resiliency::Attempt attempt = [&] {
    begun = Loop::current().now();
    return attempt_under(app, request, trace, &reply);
  };
  auto word = co_await policy.run(std::move(attempt));
  if (word) {
    drop_body(reply);
    co_return std::unexpected(*std::move(word));
  }
  if (policy.has_timeout() && *reply && (*reply)->body.is_stream()) {
    end_in_time((*reply)->body.stream, begun, policy.timeout());
  }
  co_return *std::move(reply);
}

// A body that is a stream is sent by the only attempt there is.
Task<resiliency::Outcome> Service::attempt_under(std::string app, Request request,
                                                 TraceContext trace,
                                                 std::optional<Result<Reply>>* reply) {
  drop_body(*reply);
  reply->reset();
  resiliency::Outcome outcome;
  outcome.final = request.body.is_stream() || request.streamed;
  auto got = co_await invoke_once(std::move(app), std::move(request), std::move(trace));
  if (!got) {
    outcome.error = got.error();
  } else if (has_failed(*got)) {
    outcome.error = Error(Code::unknown, "status " + std::to_string(got->status));
    outcome.status = got->status;
  }
  reply->emplace(std::move(got));
  co_return outcome;
}

void Service::drop_body(std::optional<Result<Reply>>& reply) {
  if (reply && *reply && (*reply)->body.stream) (*reply)->body.stream->close();
}

Task<Result<Reply>> Service::invoke_once(std::string app, Request request, TraceContext trace) {
  OUT_CO_TRY(auto name, parse_app_name(app, settings_.identity.app_namespace));
  if (name.is_url || endpoints_->find(name.id) != nullptr) {
    auto reply = co_await invoke_endpoint(std::move(name.id), std::move(request), std::move(trace));
    co_return reply;
  }
  const bool own = name.id == settings_.identity.app_id &&
                   name.app_namespace == settings_.identity.app_namespace;
  if (own) {
    auto reply = co_await invoke_own_app(std::move(request), std::move(trace));
    co_return reply;
  }
  peers::Target target{.app_id = std::move(name.id),
                       .app_namespace = std::move(name.app_namespace)};
  auto reply = co_await invoke_remote(std::move(target), std::move(request), std::move(trace));
  co_return reply;
}

Task<Result<Reply>> Service::invoke_own_app(Request request, TraceContext trace) {
  if (!app_.available()) {
    co_return fail(Code::unknown, "cannot invoke local endpoint: app channel not initialized");
  }
  limit_body(request);
  OUT_CO_TRY(auto prepared, app_.prepare(request.view(), request.content_length, trace));
  auto reply = co_await app_.call(std::move(prepared), std::move(request.body));
  co_return reply;
}

/// What declares no length is measured as it comes. On its way to another sidecar it is so anyway.
void Service::limit_body(Request& request) {
  if (settings_.body_bytes_max != 0 && !request.content_length) {
    limit(scope_, request.body, settings_.body_bytes_max);
  }
}

Task<Result<Reply>> Service::invoke_endpoint(std::string name, Request request,
                                             TraceContext trace) {
  const Endpoints::Endpoint* found = endpoints_->find(name);
  // Keeps the snapshot alive for the call.
  std::shared_ptr<const Endpoints::Endpoint> endpoint(endpoints_, found);
  std::string url = found != nullptr ? found->base_url : name;
  settings_.metrics->service.invocation_request_sent(name, ServiceMetrics::CallType::unary);
  limit_body(request);
  const TimePoint started = std::chrono::steady_clock::now();
  if (found == nullptr) endpoint.reset();
  auto reply = co_await outside_.call(std::move(url), std::move(endpoint), std::move(request),
                                      std::move(trace));
  if (reply) {
    settings_.metrics->service.invocation_response_received(
        name, reply->status, ServiceMetrics::CallType::unary,
        std::chrono::steady_clock::now() - started);
  }
  co_return reply;
}

Task<Result<Reply>> Service::invoke_remote(peers::Target target, Request request,
                                           TraceContext trace) {
  Outgoing outgoing;
  outgoing.request = std::move(request);
  outgoing.trace = std::move(trace);
  forwarding_.add_to(outgoing.request.metadata, target.app_id);
  if (outgoing.request.body.is_stream() && !outgoing.request.is_unbounded()) {
    outgoing.replay = std::make_shared<Replay>();
  }
  auto reply = co_await with_retries(std::move(target), outgoing);
  co_return reply;
}

// The built-in retries, which a document that names the app switches off.
Task<Result<Reply>> Service::with_retries(peers::Target target, Outgoing& outgoing) {
  auto reply = co_await attempt(target, outgoing);
  if (policies_.names_app(target.app_id)) co_return reply;
  // They may be replaced meanwhile.
  const resiliency::Policies kept = policies_;
  resiliency::Backoff backoff(kept.built_in(resiliency::BuiltIn::service_retries),
                              std::chrono::steady_clock::now());
  for (int retries = 0;; ++retries) {
    if (reply || !is_transient(reply.error().code()) || outgoing.request.is_unbounded()) {
      co_return reply;
    }
    const auto pause = outgoing.repeatable() ? backoff.next(std::chrono::steady_clock::now())
                                             : std::optional<Duration>();
    if (!pause) {
      const Code code = reply.error().code();
      std::string message = "failed to invoke target " + target.app_id + " after " +
                            std::to_string(retries) + " retries. Error: " + reply.error().message();
      co_return fail(code, std::move(message));
    }
    OUT_CO_CHECK(co_await sleep_for(*pause));
    reply = co_await attempt(target, outgoing);
  }
}

Task<Result<Reply>> Service::attempt(peers::Target target, Outgoing& outgoing) {
  auto known = peers_.locate_now(target);
  std::string address;
  if (known && !known->empty()) {
    address = *std::move(known);
  } else {
    auto found = co_await peers_.locate(target);
    // Who is not found is not looked for again.
    if (!found) co_return fail(std::move(found).error().with_code(Code::unknown));
    address = *std::move(found);
  }
  const ServiceMetrics& metrics = settings_.metrics->service;
  metrics.invocation_request_sent(target.app_id, ServiceMetrics::CallType::unary);
  const TimePoint started = std::chrono::steady_clock::now();
  auto reply = co_await remote_.call(target, address, outgoing);
  if (const auto outliers = policies_.outliers(target.app_id)) {
    outliers->record(address, is_replicas_fault(reply), std::chrono::steady_clock::now());
  }
  if (reply) {
    metrics.invocation_response_received(target.app_id, reply->status,
                                         ServiceMetrics::CallType::unary,
                                         std::chrono::steady_clock::now() - started);
  } else if (is_transient(reply.error().code())) {
    peers_.drop(target, address);
  }
  co_return reply;
}

Task<void> Service::close() {
  scope_.cancel();
  co_await peers_.close();
  co_await outside_.close();
  co_await scope_.join();
}

}  // namespace outrigger::runtime::invoke
