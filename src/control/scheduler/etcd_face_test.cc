#include "control/scheduler/etcd_face.h"

#include "base/strings.h"
#include "control/scheduler/engine_testing.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "etcd/rpc.pb.h"

namespace outrigger::control::scheduler {
namespace {

namespace pb = etcdserverpb;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();
constexpr int kJobs = 2500;  // More than the store gives at once.

std::string job_key(int number) {
  const std::string digits = std::to_string(10'000 + number);
  return "dapr/jobs/app||ns||app||job" + digits.substr(1);
}

/// Keeps how calls ended.
class Endings final : public net::grpc::Interceptor {
 public:
  Result<> begin(net::grpc::Call&) override {
    ++begun;
    return {};
  }
  void end(net::grpc::Call&, const net::grpc::Status& status) override {
    codes.push_back(status.code);
  }
  int begun = 0;
  std::vector<Code> codes;
};

/// A scheduler with jobs, and the port in front of it.
class SchedulerEtcdPort : public testing::Test {
 protected:
  explicit SchedulerEtcdPort(EtcdFace::Options options = {})
      : face_(engine_, loops_, local(std::move(options))) {
    loops_.start();
    face_.service().set_interceptor(&endings_);
    run_on(loop_, fill());
  }
  ~SchedulerEtcdPort() override {
    run_on(loop_, close());
    loops_.stop_and_join();
  }
  template <class Request>
  static std::string framed(const Request& request) {
    std::string frame;
    net::grpc::append_frame(frame, request.SerializeAsString(), false);
    return frame;
  }
  template <class Request>
  Ending try_to(const std::string& method, const Request& request) {
    return try_raw(method, framed(request));
  }
  Ending try_raw(const std::string& method, std::string body) {
    return run_on(loop_, call_raw(&face_.service(), "/etcdserverpb.KV/" + method, std::move(body)));
  }
  template <class Response, class Request>
  Response call(const std::string& method, const Request& request) {
    const auto ending = try_to(method, request);
    EXPECT_EQ(ending.status, "0") << ending.words;
    Response response;
    EXPECT_TRUE(ending.body.size() >= 5 && response.ParseFromString(ending.body.substr(5)));
    return response;
  }
  pb::RangeResponse range(const pb::RangeRequest& request) {
    return call<pb::RangeResponse>("Range", request);
  }
  static pb::RangeRequest all_jobs() {
    pb::RangeRequest request;
    request.set_key("dapr/jobs/");
    request.set_range_end("dapr/jobs0");
    return request;
  }
  /// So many jobs from this one on, each of more than so many bytes.
  void put_large(int first, int count, std::size_t bytes) {
    run_on(loop_, put_all(first, count, bytes));
  }
  Task<net::Response> handle(const pb::RangeRequest& request) {
    net::Request asked;
    asked.method = "POST";
    asked.target = "/etcdserverpb.KV/Range";
    asked.headers.add("content-type", "application/grpc");
    asked.body = framed(request);
    return face_.service().handle(std::move(asked));
  }
  net::Response begin_range(const pb::RangeRequest& request) {
    return run_on(loop_, handle(request));
  }
  /// Whether a large answer waits for the end of that one, while others are given.
  Task<bool> begins_when_another_ends(std::shared_ptr<net::Pipe> another) {
    std::optional<net::Response> late;
    Scope scope;
    scope.spawn(keep(handle(all_jobs()), &late));
    auto counting = all_jobs();
    counting.set_count_only(true);
    // Each takes as many turns as the large answer takes until it begins.
    for (int times = 0; times < 5; ++times) {
      const auto counted =
          co_await call_raw(&face_.service(), "/etcdserverpb.KV/Range", framed(counting));
      EXPECT_EQ(counted.status, "0");
    }
    const bool waits = !late;
    another->close();
    co_await scope.join();
    co_return waits&& late && late->body.is_stream();
  }
  /// The answer to it, which begins before `meanwhile` and is read after it.
  Ending begin_range(const pb::RangeRequest& request, const std::function<void()>& meanwhile) {
    auto response = begin_range(request);
    EXPECT_TRUE(response.body.is_stream());
    meanwhile();
    return run_on(loop_, end_of(&response));
  }
  /// How a call ended of a client that went away in its middle.
  std::string give_up(std::string method, std::string body) {
    return run_on(loop_, end_early("/etcdserverpb.KV/" + method, std::move(body)));
  }
  void close_face() { run_on(loop_, face_.close()); }
  Task<std::vector<std::string>> names_in_pages(std::size_t bytes_max) {
    std::vector<std::string> names;
    for (std::string after;;) {
      ListRequest page{.after = after, .bytes_max = bytes_max};
      auto jobs = co_await engine_.list(std::move(page));
      EXPECT_TRUE(jobs);
      if (!jobs || jobs->empty()) co_return names;
      for (const auto& job : *jobs) names.push_back(job.name);
      after = names.back();
      ++pages_;
    }
  }
  Loop loop_;
  Endings endings_;
  int pages_ = 0;

 private:
  static Task<void> keep_ending(Task<Ending> task, Ending* out) { *out = co_await std::move(task); }
  Task<std::string> end_early(std::string path, std::string body) {
    const int before = endings_.begun;
    Ending ending;
    Scope scope;
    scope.spawn(keep_ending(call_raw(&face_.service(), std::move(path), std::move(body)), &ending));
    EXPECT_EQ(endings_.begun, before + 1);
    // The first of what it does is under way.
    scope.cancel();
    co_await scope.join();
    co_return ending.status;
  }
  static Task<void> keep(Task<net::Response> task, std::optional<net::Response>* out) {
    auto response = co_await std::move(task);
    out->emplace(std::move(response));
  }
  static Task<Ending> end_of(net::Response* response) {
    auto body = co_await response->body.read_all(64U << 20);
    EXPECT_TRUE(body);
    co_return Ending{std::string(response->body.trailers.value("grpc-status")),
                     std::string(response->body.trailers.value("grpc-message")), body.value_or("")};
  }
  static EtcdFace::Options local(EtcdFace::Options options) {
    options.address = "127.0.0.1";
    options.id = "scheduler-0";
    return options;
  }
  Task<void> fill() {
    auto opened = co_await engine_.open("here:1");
    EXPECT_TRUE(opened);
    co_await put_all(0, kJobs, 0);
  }
  Task<void> put_all(int first, int count, std::size_t bytes) {
    dapr::proto::scheduler::v1::JobMetadata metadata;
    metadata.set_app_id("app");
    metadata.set_namespace_("ns");
    metadata.mutable_target()->mutable_job();
    Job job{.due_time = "1h"};
    job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                           metadata.SerializeAsString()};
    if (bytes > 0) job.payload = Payload{"type.googleapis.com/any", std::string(bytes, 'x')};
    std::vector<Task<void>> all;
    for (int number = first; number < first + count; ++number)
      all.push_back(put(job_key(number), job));
    co_await run_all(std::move(all));
  }
  Task<void> put(std::string key, Job job) {
    auto done = co_await engine_.schedule(key.substr(10), std::move(job), true);
    EXPECT_TRUE(done);
  }
  Task<void> close() {
    co_await face_.close();
    co_await engine_.close();
  }

  TemporaryFolder folder_;
  Loops loops_{1};
  telemetry::Registry registry_{telemetry::RegistryOptions{}};
  Metrics metrics_{registry_};
  ManualClock clock_{kNow};
  SqliteStore store_{SqliteOptions{.folder = folder_.path}};
  Engine engine_{store_, clock_, metrics_, EngineOptions{}, [](bool) {}};
  EtcdFace face_;
};

class SchedulerEtcdPortInAHurry : public SchedulerEtcdPort {
 protected:
  SchedulerEtcdPortInAHurry() : SchedulerEtcdPort({.unread_max = std::chrono::milliseconds(1)}) {}
};

class NarrowSchedulerEtcdPort : public SchedulerEtcdPort {
 protected:
  NarrowSchedulerEtcdPort() : SchedulerEtcdPort({.large_max = 3}) {}
};

// What etcd answers: `count` is of all that are in the range, whatever the limit.
TEST_F(SchedulerEtcdPort, GivesAllOfARangeOrItsBeginningOrItsEnd) {
  auto request = all_jobs();
  auto found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  EXPECT_EQ(found.kvs_size(), kJobs);
  EXPECT_FALSE(found.more());
  request.set_limit(3);
  found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  EXPECT_TRUE(found.more());
  ASSERT_EQ(found.kvs_size(), 3);
  EXPECT_EQ(found.kvs(2).key(), job_key(2));
  EXPECT_NE(found.kvs(2).value(), "");
  request.set_sort_order(pb::RangeRequest::DESCEND);
  request.set_keys_only(true);
  found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  EXPECT_TRUE(found.more());
  ASSERT_EQ(found.kvs_size(), 3);
  EXPECT_EQ(found.kvs(0).key(), job_key(kJobs - 1));
  EXPECT_EQ(found.kvs(2).key(), job_key(kJobs - 3));
  EXPECT_EQ(found.kvs(2).value(), "");
  request.set_limit(kJobs);
  EXPECT_FALSE(range(request).more());
  request.set_limit(1);
  request.set_count_only(true);
  found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  EXPECT_EQ(found.kvs_size(), 0);
  EXPECT_FALSE(found.more());
}

TEST_F(SchedulerEtcdPort, DoesNotPassOffAnotherOrderAsTheOneThatWasAskedFor) {
  auto request = all_jobs();
  request.set_sort_target(pb::RangeRequest::MOD);
  EXPECT_EQ(try_to("Range", request).status, "12");  // UNIMPLEMENTED
  request.set_count_only(true);
  EXPECT_EQ(range(request).count(), kJobs);
}

TEST_F(SchedulerEtcdPort, TakesWhateverItIsAsked) {
  std::mt19937 random(20260821);  // NOLINT(bugprone-random-generator-seed): the same each time
  pb::TxnRequest all;
  *all.add_success()->mutable_request_range() = all_jobs();
  all.add_success()->mutable_request_put()->set_key(job_key(1));
  all.add_success()->mutable_request_delete_range()->set_key(job_key(2));
  const std::string bodies[] = {framed(all_jobs()), framed(all), framed(pb::PutRequest()), ""};
  for (int times = 0; times < 400; ++times) {
    std::string body = bodies[random() % std::size(bodies)];
    for (unsigned changes = random() % 8; changes > 0; --changes) {
      const std::size_t at = body.empty() ? 0 : random() % body.size();
      if (body.empty() || changes % 2 == 0) {
        body.insert(at, 1, static_cast<char>(random()));
      } else {
        body[at] = static_cast<char>(random());
      }
    }
    for (const auto* method : {"Range", "Put", "DeleteRange", "Txn"}) {
      const auto ending = try_raw(method, body);
      EXPECT_NE(ending.status, "");
    }
  }
  range(all_jobs());  // Is answered.
}

// Larger than what is held for one answer.
TEST_F(SchedulerEtcdPort, SendsALargeRangeAsItIsRead) {
  put_large(0, kJobs, 2500);
  auto request = all_jobs();
  auto found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  ASSERT_EQ(found.kvs_size(), kJobs);
  EXPECT_NE(found.header().revision(), 0);
  EXPECT_FALSE(found.more());
  for (int number = 0; number < kJobs; ++number) {
    ASSERT_EQ(found.kvs(number).key(), job_key(number));
    ASSERT_GT(found.kvs(number).value().size(), 2500U);
  }
  request.set_limit(2000);
  found = range(request);
  EXPECT_EQ(found.count(), kJobs);
  EXPECT_EQ(found.kvs_size(), 2000);
  EXPECT_TRUE(found.more());
  request.set_keys_only(true);
  EXPECT_EQ(range(request).kvs_size(), 2000);
}

// The length was told when it began.
TEST_F(SchedulerEtcdPort, SendsALargeRangeOfThePromisedLengthThoughJobsComeAndGoMeanwhile) {
  put_large(0, kJobs, 2500);
  const auto ending = begin_range(all_jobs(), [this] {
    pb::DeleteRangeRequest removing;
    removing.set_key(job_key(2000));
    removing.set_range_end(job_key(2100));
    EXPECT_EQ(call<pb::DeleteRangeResponse>("DeleteRange", removing).deleted(), 100);
    put_large(kJobs, 700, 2500);
  });
  EXPECT_EQ(ending.status, "0") << ending.words;
  ASSERT_GT(ending.body.size(), 5U);
  net::grpc::Deframer deframer(64U << 20);
  deframer.feed(ending.body);
  ASSERT_TRUE(deframer.next().value());
  EXPECT_FALSE(deframer.partial());
  pb::RangeResponse found;
  ASSERT_TRUE(found.ParseFromString(ending.body.substr(5)));
  EXPECT_EQ(found.count(), kJobs - 100 + 700);
  EXPECT_EQ(found.kvs_size(), kJobs - 100 + 700);
}

TEST_F(SchedulerEtcdPort, SaysSoWhenThereIsNoRoomForWhatWasWrittenMeanwhile) {
  put_large(0, kJobs, 2500);
  const auto ending = begin_range(all_jobs(), [this] { put_large(kJobs, 3000, 2500); });
  EXPECT_EQ(ending.status, "14") << ending.words;  // UNAVAILABLE: clients ask again.
}

TEST_F(SchedulerEtcdPort, EndsThoughNobodyReadsALargeRange) {
  put_large(0, kJobs, 2500);
  begin_range(all_jobs(), [this] { close_face(); });
}

TEST_F(SchedulerEtcdPortInAHurry, LeavesWhoTakesNothingOfALargeAnswer) {
  put_large(0, kJobs, 2500);
  const auto response = begin_range(all_jobs());
  ASSERT_TRUE(response.body.is_stream());
  EXPECT_TRUE(run_on(loop_, eventually([this] { return !endings_.codes.empty(); })));
  EXPECT_EQ(endings_.codes, std::vector<Code>{Code::deadline_exceeded});
  EXPECT_EQ(response.body.stream->available(), 0U);
  EXPECT_NE(response.body.stream->error(), nullptr);
}

TEST_F(NarrowSchedulerEtcdPort, SendsNotMoreLargeAnswersAtOnceThanItMay) {
  put_large(0, kJobs, 2500);
  std::vector<net::Response> unread;
  for (int number = 0; number < 3; ++number) unread.push_back(begin_range(all_jobs()));
  EXPECT_TRUE(run_on(loop_, begins_when_another_ends(unread.front().body.stream)));
}

// A call that comes while the port ends would begin what nobody waits for.
TEST_F(SchedulerEtcdPort, BeginsNoLargeAnswerOnceItEnds) {
  put_large(0, kJobs, 2500);
  close_face();
  const auto response = begin_range(all_jobs());
  EXPECT_FALSE(response.body.is_stream());
  EXPECT_EQ(response.headers.value("grpc-status"), "14");  // UNAVAILABLE, as etcd says it.
}

TEST_F(SchedulerEtcdPort, ReportsTheEndOfEachCallOnceWithItsStatus) {
  try_to("Range", all_jobs());
  try_to("Range", pb::RangeRequest());
  try_to("Grow", pb::RangeRequest());
  const std::vector<Code> whole = {Code::ok, Code::invalid_argument, Code::unimplemented};
  EXPECT_EQ(endings_.codes, whole);
  endings_.codes.clear();

  put_large(0, kJobs, 2500);
  begin_range(all_jobs(), [this] { EXPECT_TRUE(endings_.codes.empty()); });
  EXPECT_EQ(endings_.codes, std::vector<Code>{Code::ok});
  endings_.codes.clear();
  auto unread = begin_range(all_jobs());
  EXPECT_TRUE(endings_.codes.empty());
  unread.body.stream->close();  // The client goes away.
  EXPECT_TRUE(run_on(loop_, eventually([this] { return !endings_.codes.empty(); })));
  EXPECT_EQ(endings_.codes, std::vector<Code>{Code::cancelled});
  endings_.codes.clear();
  begin_range(all_jobs(), [this] { put_large(kJobs, 3000, 2500); });
  EXPECT_EQ(endings_.codes, std::vector<Code>{Code::unavailable});
  EXPECT_EQ(endings_.begun, 6);
}

TEST_F(SchedulerEtcdPort, ReadsAPageAtATimeThatIsNotLargerThanAskedFor) {
  put_large(0, kJobs, 100);
  const auto names = run_on(loop_, names_in_pages(100'000));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kJobs));
  EXPECT_GT(pages_, kJobs * 100 / 100'000);
  EXPECT_LT(pages_, kJobs / 100);
  pages_ = 0;
  EXPECT_EQ(run_on(loop_, names_in_pages(1)), names);
  EXPECT_EQ(pages_, kJobs);
}

// As upstream's etcd, whose limit is a flag.
TEST_F(SchedulerEtcdPort, TakesTenThousandOperationsInATransactionAndNoMore) {
  pb::TxnRequest request;
  for (int number = 0; number < 10'000; ++number) {
    request.add_success()->mutable_request_delete_range()->set_key(job_key(number % kJobs));
  }
  const auto done = call<pb::TxnResponse>("Txn", request);
  EXPECT_EQ(done.responses_size(), 10'000);
  EXPECT_EQ(range(all_jobs()).count(), 0);
  request.add_success();
  const auto ending = try_to("Txn", request);
  EXPECT_EQ(ending.status, "3");  // INVALID_ARGUMENT
  EXPECT_EQ(ending.words, "etcdserver: too many operations in txn request");
}

TEST_F(SchedulerEtcdPort, RefusesRequestsOfFieldsThatNobodyKnows) {
  std::string many;
  for (int i = 0; i < 300'000; ++i) many += std::string("\x7a\0", 2);
  // Field 15 as a group.
  for (const std::string& unknown : {many, "\x7b" + many + "\x7c"}) {
    const std::string words = "etcdserver: too many fields in the request, or a group";
    pb::RangeRequest range;
    ASSERT_TRUE(range.ParseFromString(unknown));
    EXPECT_EQ(try_to("Range", range).words, words);
    pb::TxnRequest transaction;
    *transaction.add_success()->mutable_request_range() = range;
    EXPECT_EQ(try_to("Txn", transaction).words, words);
  }
}

TEST_F(SchedulerEtcdPort, DoesTheOperationsOfATransactionInTheirOrder) {
  pb::RangeRequest one;
  one.set_key(job_key(0));
  const std::string record = range(one).kvs(0).value();
  const auto put = [&record](pb::TxnRequest& request, const std::string& key) {
    auto* putting = request.add_success()->mutable_request_put();
    putting->set_key(key);
    putting->set_value(record);
  };
  pb::TxnRequest request;
  put(request, "dapr/jobs/new1");
  put(request, "dapr/jobs/new2");
  put(request, "dapr/jobs/new1");
  request.add_success()->mutable_request_range()->set_key("dapr/jobs/new2");
  request.add_success()->mutable_request_delete_range()->set_key("dapr/jobs/new2");
  request.add_success()->mutable_request_range()->set_key("dapr/jobs/new2");
  put(request, "dapr/jobs/new2");
  put(request, "dapr/jobs/new3");
  const auto done = call<pb::TxnResponse>("Txn", request);
  ASSERT_EQ(done.responses_size(), 8);
  for (const int number : {0, 1, 2, 6, 7}) EXPECT_TRUE(done.responses(number).has_response_put());
  EXPECT_EQ(done.responses(3).response_range().count(), 1);
  EXPECT_EQ(done.responses(4).response_delete_range().deleted(), 1);
  EXPECT_EQ(done.responses(5).response_range().count(), 0);
  EXPECT_EQ(range(all_jobs()).count(), kJobs + 3);
  put(request, "dapr/jobs/no/name");
  EXPECT_EQ(try_to("Txn", request).status, "2");
}

// Each of its writes is done even if nobody waits for it.
TEST_F(SchedulerEtcdPort, DoesNotTheRestOfWhatNobodyWaitsFor) {
  pb::TxnRequest request;
  for (int number = 0; number < kJobs; ++number) {
    request.add_success()->mutable_request_delete_range()->set_key(job_key(number));
  }
  EXPECT_NE(give_up("Txn", framed(request)), "0");
  pb::DeleteRangeRequest removing;
  removing.set_key("dapr/jobs/");
  removing.set_range_end("dapr/jobs0");
  EXPECT_NE(give_up("DeleteRange", framed(removing)), "0");
  removing.set_prev_kv(true);
  EXPECT_NE(give_up("DeleteRange", framed(removing)), "0");
  EXPECT_GT(range(all_jobs()).count(), 0);
}

TEST_F(SchedulerEtcdPort, RefusesTransactionsInTransactions) {
  pb::TxnRequest request;
  auto* inner = request.add_success()->mutable_request_txn();
  EXPECT_EQ(try_to("Txn", request).status, "12");  // UNIMPLEMENTED
  for (int depth = 0; depth < 50; ++depth) inner = inner->add_success()->mutable_request_txn();
  EXPECT_EQ(try_to("Txn", request).status, "13");  // INTERNAL, as for all that cannot be read.
}

TEST_F(SchedulerEtcdPort, FindsNothingForKeysThatNoJobCanHave) {
  const std::string zero(1, '\0');
  for (const std::string& name : {std::string("\xff"), std::string("\xc3"), "a" + zero + "b", zero,
                                  zero + zero, std::string("a\x80")}) {
    pb::RangeRequest request;
    request.set_key("dapr/jobs/" + name);
    EXPECT_EQ(range(request).count(), 0);
    request.set_range_end(zero);
    range(request);
    pb::PutRequest putting;
    putting.set_key(request.key());
    const auto ending = try_to("Put", putting);
    EXPECT_TRUE(ending.status == "2" || ending.status == "3") << ending.status << ending.words;
  }
}

TEST_F(SchedulerEtcdPort, RefusesToHoldMoreThanItMay) {
  put_large(0, kJobs, 2500);
  pb::TxnRequest request;
  for (int times = 0; times < 15; ++times) {
    *request.add_success()->mutable_request_range() = all_jobs();
  }
  const auto ending = try_to("Txn", request);
  EXPECT_EQ(ending.status, "8");  // RESOURCE_EXHAUSTED
  EXPECT_EQ(ending.words.substr(0, 36), "etcdserver: request is too large: wh") << ending.words;
}

TEST_F(SchedulerEtcdPort, IsReadPageByPageAsClientsOfEtcdDoIt) {
  auto request = all_jobs();
  request.set_limit(999);
  std::vector<std::string> keys;
  for (;;) {
    const auto page = range(request);
    EXPECT_EQ(page.count(), kJobs - static_cast<int>(keys.size()));
    for (const auto& record : page.kvs()) keys.push_back(record.key());
    if (!page.more()) break;
    request.set_key(keys.back() + std::string(1, '\0'));
  }
  ASSERT_EQ(keys.size(), static_cast<std::size_t>(kJobs));
  EXPECT_TRUE(std::ranges::is_sorted(keys));
}

TEST_F(SchedulerEtcdPort, FindsFromOneKeyToAnother) {
  pb::RangeRequest request;
  request.set_key(job_key(10));
  EXPECT_EQ(range(request).count(), 1);
  request.set_range_end(job_key(20));
  auto found = range(request);
  EXPECT_EQ(found.count(), 10);
  EXPECT_EQ(found.kvs(0).key(), job_key(10));
  request.set_key("dapr/jobs/app||ns||app||job0009a");  // Between two.
  EXPECT_EQ(range(request).kvs(0).key(), job_key(10));
  request.set_range_end(std::string(1, '\0'));  // And all that follows, with the replica.
  EXPECT_EQ(range(request).count(), kJobs - 10 + 1);
  request.set_key("dapr/jobs/app||ns||app||job");
  request.clear_range_end();
  EXPECT_EQ(range(request).count(), 0);
  pb::DeleteRangeRequest removing;
  removing.set_key(job_key(10));
  removing.set_range_end(job_key(12));
  removing.set_prev_kv(true);
  const auto removed = call<pb::DeleteRangeResponse>("DeleteRange", removing);
  EXPECT_EQ(removed.deleted(), 2);
  ASSERT_EQ(removed.prev_kvs_size(), 2);
  EXPECT_NE(removed.prev_kvs(1).value(), "");
  EXPECT_EQ(range(all_jobs()).count(), kJobs - 2);
}

}  // namespace
}  // namespace outrigger::control::scheduler
