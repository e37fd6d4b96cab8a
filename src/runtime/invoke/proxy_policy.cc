#include "base/cancellation.h"
#include "base/scope.h"
#include "base/strings.h"
#include "runtime/invoke/proxy.h"

namespace outrigger::runtime::invoke {
namespace {

using net::grpc::Status;

// A client that has begun a message and then says nothing for so long is not about to end it: its
// call is a stream, and is passed on as it is.
constexpr Duration kSilence = std::chrono::milliseconds(100);

/// Waits for what comes into a pipe, and takes nothing.
class Arrivals final : net::Pipe::ConsumerEvents {
 public:
  explicit Arrivals(net::Pipe& pipe) : pipe_(pipe) { pipe_.set_consumer(this); }
  ~Arrivals() { pipe_.set_consumer(nullptr); }
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  Task<Result<>> next() {
    auto came = co_await came_.wait();
    co_return came;
  }

 private:
  void on_readable() override { came_.notify_all(); }

  net::Pipe& pipe_;
  Signal came_;
};

void take_whole(net::Body& body) {
  body.whole = body.stream->take();
  body.trailers = body.stream->trailers();
  body.stream.reset();
}

/// What a unary call sends is whole in a moment, and can then be sent again.
Task<void> await_request(net::Body& body) {
  if (!body.is_stream()) co_return;
  const auto stream = body.stream;
  {
    Arrivals arrivals(*stream);
    while (!stream->ended() && !stream->full()) {
      auto more = co_await with_timeout(arrivals.next(), kSilence);
      if (!more) break;
    }
  }
  if (stream->finished()) take_whole(body);
}

/// How a call went is known with the first bytes of its answer, or at its end if there are none.
Task<Result<>> await_answer(net::Body& body) {
  if (!body.is_stream()) co_return Result<>();
  const auto stream = body.stream;
  {
    Arrivals arrivals(*stream);
    while (!stream->ended() && stream->available() == 0) {
      OUT_CO_CHECK(co_await arrivals.next());
    }
  }
  if (stream->finished() && stream->available() == 0) take_whole(body);
  co_return Result<>();
}

// As it was sent: codes that gRPC does not know are of no policy's list.
std::int32_t raw_code(const Result<net::Response>& response, const Status& status) {
  const auto known = static_cast<std::int32_t>(status.code);
  if (!response) return known;
  std::string_view text = response->body.trailers.value("grpc-status");
  if (text.empty()) text = response->headers.value("grpc-status");
  return parse_int<std::int32_t>(text).value_or(known);
}

}  // namespace

Task<Result<net::Response>> Proxy::under_policy(resiliency::Policy policy, peers::Target target,
                                                net::Request request, TraceContext trace) {
  if (is_streaming(request)) {
    // Policies see the way there only, as upstream: how long such a call lasts, and how it ends, is
    // a matter of its two ends.
    std::move_only_function<Task<Result<std::string>>()> look = [&] { return locate(target); };
    auto found = co_await resiliency::run_under<std::string>(&policy, std::move(look));
    if (!found) co_return std::unexpected(std::move(found).error());
    auto response = co_await to_sidecar(std::move(target), std::move(request), std::move(trace));
    co_return response;
  }
  if (policy.repeats()) co_await await_request(request.body);
  std::optional<Result<net::Response>> answer;
  Cancellation* const mine = co_await this_cancellation();
  resiliency::Attempt attempt = [&] { return attempt_under(target, &request, trace, &answer); };
  auto word = co_await policy.run(std::move(attempt));
  if (!word) co_return *std::move(answer);
  if (answer && *answer && (*answer)->body.stream) (*answer)->body.stream->close();
  if (mine != nullptr && mine->requested()) co_return std::unexpected(mine->error());
  co_return std::unexpected(*std::move(word));
}

Task<resiliency::Outcome> Proxy::attempt_under(peers::Target target, net::Request* request,
                                               TraceContext trace,
                                               std::optional<Result<net::Response>>* answer) {
  if (*answer && **answer && (**answer)->body.stream) (**answer)->body.stream->close();
  answer->reset();
  resiliency::Outcome outcome;
  outcome.final = request->body.is_stream();
  auto response = co_await to_sidecar(std::move(target), *request, std::move(trace));
  if (response) {
    auto known = co_await await_answer(response->body);
    if (!known) {
      response->body.stream->close();
      response = std::unexpected(std::move(known).error());
    }
  }
  const Status status = status_now(response);
  if (!status.ok()) {
    outcome.error = net::grpc::to_error(status);
    outcome.status = raw_code(response, status);
  }
  answer->emplace(std::move(response));
  co_return outcome;
}

}  // namespace outrigger::runtime::invoke
