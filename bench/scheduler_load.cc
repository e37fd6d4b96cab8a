// Load for a scheduler, and what it bears.
//   scheduler_load ADDRESS:PORT put COUNT IN_FLIGHT DUE PREFIX   schedules COUNT jobs that are due
//   in
//                                                                DUE ("1h"), so many calls at a
//                                                                time
//   scheduler_load ADDRESS:PORT take STREAMS SECONDS             accepts triggers; ends when none
//   has
//                                                                come for so long
// See bench/README.md.

#include <charconv>
#include <cstdio>

#include "base/scope.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "net/grpc/channel.h"

namespace outrigger {
namespace {

namespace pb = dapr::proto::scheduler::v1;
using Clock = std::chrono::steady_clock;

const std::string kService = "/dapr.proto.scheduler.v1.Scheduler/";

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

struct Put {
  int count = 0;
  std::string due, prefix;
  int next = 0;
  int refused = 0;
  std::vector<double> milliseconds;
};

Task<void> put_some(net::grpc::Channel& channel, Put& put) {
  pb::ScheduleJobRequest request;
  request.mutable_job()->set_due_time(put.due);
  request.mutable_job()->mutable_data()->set_value(std::string(64, 'x'));
  request.mutable_metadata()->set_app_id("bench");
  request.mutable_metadata()->set_namespace_("default");
  request.mutable_metadata()->mutable_target()->mutable_job();
  while (put.next < put.count) {
    request.set_name(put.prefix + std::to_string(put.next++));
    const auto begin = Clock::now();
    auto reply = co_await channel.unary(kService + "ScheduleJob", request.SerializeAsString(),
                                        net::grpc::CallOptions());
    put.milliseconds.push_back(seconds(Clock::now() - begin) * 1000);
    if (reply && reply->status.ok()) continue;
    if (put.refused++ == 0) {
      std::printf("refused: %s\n", reply ? reply->status.message.c_str() : "cancelled");
    }
  }
}

Task<void> put_all(net::grpc::Channel& channel, Put& put, int in_flight) {
  const auto begin = Clock::now();
  std::vector<Task<void>> tasks;
  for (int i = 0; i < in_flight; ++i) tasks.push_back(put_some(channel, put));
  co_await run_all(std::move(tasks));
  auto& times = put.milliseconds;
  std::ranges::sort(times);
  const auto at = [&times](double part) {
    return times.empty() ? 0 : times[static_cast<std::size_t>(part * double(times.size() - 1))];
  };
  std::printf("%d jobs, %d refused, %.0f/s, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", put.count,
              put.refused, put.count / seconds(Clock::now() - begin), at(0.5), at(0.99), at(1));
}

struct Take {
  std::size_t taken = 0;
  std::optional<Clock::time_point> first, last;
};

Task<void> take_some(net::grpc::Channel& channel, Take& take) {
  auto stream = channel.stream(kService + "WatchJobs", net::grpc::CallOptions());
  pb::WatchJobsRequest request;
  request.mutable_initial()->set_app_id("bench");
  request.mutable_initial()->set_namespace_("default");
  auto sent = co_await stream->write(request.SerializeAsString());
  while (sent) {
    auto message = co_await stream->read();
    if (!message || !*message) co_return;
    pb::WatchJobsResponse trigger;
    if (!trigger.ParseFromString(**message)) co_return;
    take.last = Clock::now();
    if (take.taken++ == 0) take.first = take.last;
    request.mutable_result()->set_id(trigger.id());
    sent = co_await stream->write(request.SerializeAsString());
  }
}

Task<void> take_all(net::grpc::Channel& channel, int streams, int quiet_seconds) {
  Take take;
  Scope scope;
  for (int i = 0; i < streams; ++i) scope.spawn(take_some(channel, take));
  for (std::size_t before = 0;;) {
    [[maybe_unused]] auto slept = co_await sleep_for(std::chrono::seconds(quiet_seconds));
    if (take.taken == before) break;
    before = take.taken;
  }
  const double time = take.first ? seconds(*take.last - *take.first) : 0;
  std::printf("%zu triggers, %.0f/s\n", take.taken, time > 0 ? double(take.taken) / time : 0);
  scope.cancel();
  co_await channel.drain();
  co_await scope.join();
}

int number(const char* text) {
  int value = 0;
  std::from_chars(text, text + std::string_view(text).size(), value);
  return value;
}

Task<void> work(std::vector<const char*> words) {
  net::Client client;
  net::Endpoint endpoint;
  const std::string_view address = words[1];
  const auto colon = address.rfind(':');
  endpoint.address.host = address.substr(0, colon);
  endpoint.address.port = static_cast<std::uint16_t>(number(words[1] + colon + 1));
  endpoint.protocol = net::Endpoint::Protocol::http2;
  net::grpc::Channel channel(client, endpoint);
  if (std::string_view(words[2]) == "put") {
    Put put{.count = number(words[3]), .due = words[5], .prefix = words[6]};
    co_await put_all(channel, put, number(words[4]));
  } else {
    co_await take_all(channel, number(words[3]), number(words[4]));
  }
  co_await channel.drain();
  co_await client.close();
}

}  // namespace
}  // namespace outrigger

int main(int argc, char** argv) {
  std::vector<const char*> words(argv, argv + argc);
  const bool put = argc == 7 && std::string_view(argv[2]) == "put";
  const bool take = argc == 5 && std::string_view(argv[2]) == "take";
  if (!put && !take) {
    std::fprintf(stderr, "usage: %s ADDRESS:PORT put COUNT IN_FLIGHT DUE PREFIX\n", argv[0]);
    std::fprintf(stderr, "       %s ADDRESS:PORT take STREAMS SECONDS\n", argv[0]);
    return 2;
  }
  outrigger::run(outrigger::work(std::move(words)));
  return 0;
}
