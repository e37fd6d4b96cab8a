#include <limits>
#include <unordered_set>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "control/scheduler/etcd_face.h"
#include "control/scheduler/etcd_keys.h"
#include "control/scheduler/etcd_sinks.h"
#include "control/scheduler/record.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "etcd/rpc.pb.h"
#include "scheduler_store/leadership.pb.h"

namespace outrigger::control::scheduler {
namespace {

namespace pb = etcdserverpb;

constexpr std::string_view kCounters = "dapr/counters/";
constexpr std::string_view kReplicas = "dapr/leadership/";
// Far above what clients of etcd send by themselves: 2 MiB.
constexpr std::size_t kMessageBytesMax = std::size_t{16} << 20;
// Upstream's --etcd-max-txn-ops.
constexpr int kOperationsMax = 10'000;
// Of the messages of all levels in a request: each operation has some.
constexpr int kFieldsMax = 20 * kOperationsMax;
// Of the operations so many are begun together.
constexpr int kTogetherMax = 500;
// What is not sent as it is read is not more than this.
constexpr std::size_t kHeldBytesMax = std::size_t{16} << 20;
// A range that is larger is sent as it is read.
constexpr std::size_t kWholeBytesMax = std::size_t{1} << 20;
// Its length is told before, with room for what is written meanwhile: this, and a sixteenth.
constexpr std::size_t kRoomBytes = std::size_t{4} << 20;
// What is read of the store at a time, so that nobody holds more who waits for a client.
constexpr std::size_t kPageBytesMax = std::size_t{256} << 10;
constexpr std::size_t kPageJobsMin = 16;
constexpr std::size_t kPageJobsMax = 1000;
// So many answers at most are gathered at the same time,
constexpr std::size_t kGatheringMax = 8;
// and so many that may be as large as what is held at all;
constexpr std::size_t kHoldingMax = 2;
// so many large ones are measured, which takes long,
constexpr std::size_t kMeasuringMax = 2;
// and so many pages are read. Others wait for their turn.
constexpr std::size_t kReadingMax = 4;
constexpr Duration kGrace = std::chrono::seconds(1);

std::string replica_record(const std::vector<std::string>& addresses) {
  dapr::proto::scheduler::v1::Host host;
  if (!addresses.empty()) host.set_address(addresses.front());
  cron::stored::Leadership record;
  record.set_total(addresses.size());
  record.set_uid(1);
  record.mutable_replica_data()->PackFrom(host);
  return record.SerializeAsString();
}

pb::ResponseHeader header() {
  pb::ResponseHeader header;
  header.set_cluster_id(1);
  header.set_member_id(1);
  header.set_raft_term(1);
  header.set_revision(wall_now().time_since_epoch().count());
  return header;
}

std::string keyed(std::string_view folder, std::string_view name) {
  std::string key(folder);
  key += name;
  return key;
}

/// Gives it when one of so many turns is free.
template <class T>
Task<Result<T>> in_turn(Semaphore* turns, Task<Result<T>> task) {
  OUT_CO_CHECK(co_await turns->acquire());
  auto result = co_await std::move(task);
  turns->release();
  co_return result;
}

/// What is looked for under a folder, and how far that is.
struct Search {
  std::string_view folder;
  KeyRange keys;
  std::string prefix;
  std::string after;
  /// Of the next page: not many times what will fit in it, for some engines look at all.
  std::size_t limit = kPageJobsMax;
};

}  // namespace

/// The operations on the records.
class EtcdFace::Operations {
 public:
  Operations(Engine& engine, std::string id) : engine_(engine), id_(std::move(id)) {}

  static Wanted wanted_by(const pb::RangeRequest& request) {
    Wanted wanted;
    wanted.limit = static_cast<std::size_t>(std::max<std::int64_t>(request.limit(), 0));
    wanted.last = request.sort_order() == pb::RangeRequest::DESCEND;
    wanted.keys = !request.count_only();
    wanted.values = !request.keys_only();
    return wanted;
  }

  /// Takes what it holds off `bytes_max`, above which it fails. Called in turn.
  Task<Result<pb::RangeResponse>> range(pb::RangeRequest request, std::size_t* bytes_max) {
    if (request.key().empty()) co_return no_key();
    const bool by_key = request.sort_target() == pb::RangeRequest::KEY || request.count_only();
    if (!by_key) co_return fail(Code::unimplemented, "records are sorted by their keys only here");
    Finding finding(wanted_by(request), *bytes_max);
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &finding));
    *bytes_max -= finding.bytes();
    pb::RangeResponse response;
    *response.mutable_header() = header();
    response.set_count(static_cast<std::int64_t>(finding.count()));
    response.set_more(finding.more());
    for (auto& record : finding.records()) write_record(std::move(record), *response.add_kvs());
    co_return response;
  }
  Task<Result<pb::RangeResponse>> range_whole(pb::RangeRequest request) {
    const bool backwards = wanted_by(request).last;
    Semaphore& turns = backwards ? holding_ : gathering_;
    std::size_t bytes_max = backwards ? kHeldBytesMax : kWholeBytesMax;
    co_return co_await in_turn(&turns, range(std::move(request), &bytes_max));
  }

  /// How long an answer to this would be now.
  Task<Result<std::uint64_t>> measure(pb::RangeRequest request) {
    co_return co_await in_turn(&measuring_, measure_now(std::move(request)));
  }
  Task<Result<std::uint64_t>> measure_now(pb::RangeRequest request) {
    Measuring measuring(wanted_by(request));
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &measuring));
    co_return measuring.bytes();
  }

  /// An answer of exactly this length, as a message.
  Task<Result<>> send(pb::RangeRequest request, std::shared_ptr<net::Pipe> pipe,
                      std::uint64_t length, Duration unread_max) {
    Sending sending(wanted_by(request), std::move(pipe), length, unread_max);
    pb::RangeResponse part;
    *part.mutable_header() = header();
    sending.append(part.SerializeAsString());
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &sending));
    part.Clear();
    part.set_count(static_cast<std::int64_t>(sending.count()));
    part.set_more(sending.more());
    sending.append(part.SerializeAsString());
    auto filled = co_await sending.fill();
    co_return filled;
  }

  /// What is told of what was there counts for `bytes_max`, and is known before anything is
  /// deleted.
  Task<Result<pb::DeleteRangeResponse>> remove(pb::DeleteRangeRequest request,
                                               std::size_t* bytes_max) {
    if (request.key().empty()) co_return no_key();
    pb::DeleteRangeResponse response;
    *response.mutable_header() = header();
    KeyRange keys{request.key(), request.range_end()};
    if (!request.prev_kv()) {
      Removing removing(engine_);
      OUT_CO_CHECK(co_await find(std::move(keys), &removing));
      response.set_deleted(removing.removed());
      co_return response;
    }
    Finding finding(Wanted(), *bytes_max);
    OUT_CO_CHECK(co_await find(std::move(keys), &finding));
    *bytes_max -= finding.bytes();
    for (auto& record : finding.records()) {
      if (!record.key.starts_with(kJobKeys)) continue;
      OUT_CO_CHECK(co_await still_wanted());
      OUT_CO_CHECK(co_await engine_.remove(record.key.substr(kJobKeys.size())));
      response.set_deleted(response.deleted() + 1);
      write_record(std::move(record), *response.add_prev_kvs());
    }
    co_return response;
  }
  Task<Result<pb::DeleteRangeResponse>> remove_alone(pb::DeleteRangeRequest request) {
    std::size_t bytes_max = kHeldBytesMax;
    const bool holds = request.prev_kv();
    auto removal = remove(std::move(request), &bytes_max);
    if (holds) removal = in_turn(&holding_, std::move(removal));
    co_return co_await std::move(removal);
  }

  Task<Result<pb::PutResponse>> put(pb::PutRequest request) {
    pb::PutResponse response;
    *response.mutable_header() = header();
    const std::string& key = request.key();
    if (key.starts_with(kJobKeys)) {
      OUT_CO_TRY(auto job, decode_job(request.value()));
      OUT_CO_CHECK(co_await engine_.restore(key.substr(kJobKeys.size()), std::move(job)));
    } else if (key.starts_with(kCounters)) {
      OUT_CO_TRY(auto counter, decode_counter(request.value()));
      OUT_CO_CHECK(co_await engine_.restore_counter(key.substr(kCounters.size()), counter));
    } else {
      co_return fail(Code::invalid_argument,
                     "only dapr/jobs/ and dapr/counters/ can be written to, not " + key);
    }
    co_return response;
  }

  Task<Result<pb::TxnResponse>> transact(pb::TxnRequest request) {
    if (request.compare_size() > 0) {
      co_return fail(Code::unimplemented, "transactions with conditions are not served here");
    }
    const bool holds = std::ranges::any_of(request.success(), [](const pb::RequestOp& operation) {
      return operation.has_request_range() || operation.request_delete_range().prev_kv();
    });
    auto transaction = run_all_of(std::move(request));
    if (holds) transaction = in_turn(&holding_, std::move(transaction));
    co_return co_await std::move(transaction);
  }

 private:
  Task<Result<pb::TxnResponse>> run_all_of(pb::TxnRequest request) {
    std::size_t bytes_max = kHeldBytesMax;  // Of all operations together.
    pb::TxnResponse response;
    *response.mutable_header() = header();
    response.set_succeeded(true);
    while (response.responses_size() < request.success_size()) {
      OUT_CO_CHECK(co_await still_wanted());
      auto& operation = *request.mutable_success(response.responses_size());
      if (puts_a_job(operation)) {
        OUT_CO_CHECK(co_await put_together(&request, &response));
        continue;
      }
      pb::ResponseOp& done = *response.add_responses();
      if (operation.has_request_range()) {
        OUT_CO_TRY(*done.mutable_response_range(),
                   co_await range(std::move(*operation.mutable_request_range()), &bytes_max));
      } else if (operation.has_request_put()) {
        OUT_CO_TRY(*done.mutable_response_put(),
                   co_await put(std::move(*operation.mutable_request_put())));
      } else if (operation.has_request_delete_range()) {
        OUT_CO_TRY(
            *done.mutable_response_delete_range(),
            co_await remove(std::move(*operation.mutable_request_delete_range()), &bytes_max));
      } else {
        co_return fail(Code::unimplemented, "transactions in transactions are not served here");
      }
    }
    co_return response;
  }

  static bool puts_a_job(const pb::RequestOp& operation) {
    return operation.request_put().key().starts_with(kJobKeys);
  }

  /// The next operations as far as they put jobs of different names: they share flushes of the
  /// store.
  Task<Result<>> put_together(pb::TxnRequest* request, pb::TxnResponse* response) {
    std::unordered_set<std::string_view> keys;
    std::vector<Task<void>> all;
    Result<> failed;
    const int end = std::min(response->responses_size() + kTogetherMax, request->success_size());
    for (int next = response->responses_size(); next < end; ++next) {
      auto& operation = *request->mutable_success(next);
      const bool joins = puts_a_job(operation) && keys.insert(operation.request_put().key()).second;
      if (!joins) break;
      auto* done = response->add_responses()->mutable_response_put();
      all.push_back(put_one(operation.mutable_request_put(), done, &failed));
    }
    co_await run_all(std::move(all), kWritingMax);
    co_return failed;
  }
  Task<void> put_one(pb::PutRequest* request, pb::PutResponse* response, Result<>* failed) {
    if (!*failed) co_return;
    Result<> wanted = co_await still_wanted();
    if (!wanted) {
      *failed = std::move(wanted);
      co_return;
    }
    auto done = co_await put(std::move(*request));
    if (done) {
      *response = *std::move(done);
    } else {
      *failed = std::unexpected(std::move(done).error());
    }
  }

  static std::unexpected<Error> no_key() {
    return fail(Code::invalid_argument, "etcdserver: key is not provided");
  }

  /// In the order of keys: counters, jobs, replicas.
  Task<Result<>> find(KeyRange keys, Sink* sink) {
    for (const auto folder : {kCounters, kJobKeys}) {
      if (!keys.meets(folder)) continue;
      OUT_CO_CHECK(co_await find_under(folder, keys, sink));
    }
    std::string own = keyed(kReplicas, id_);
    if (keys.contains(own)) {
      sink->add(std::move(own), 1, [this] { return replica_record(engine_.hosts().addresses); });
    }
    auto ended = co_await sink->flush();
    co_return ended;
  }

  /// A page of the store at a time, of which nothing is held while the sink waits.
  Task<Result<>> find_under(std::string_view folder, KeyRange keys, Sink* sink) {
    Search search{.folder = folder, .keys = std::move(keys)};
    search.prefix = search.keys.names_under(folder);
    search.after = search.keys.before_names(folder);
    for (bool more = true; more;) {
      OUT_CO_CHECK(co_await sink->await_room());
      OUT_CO_TRY(more, co_await in_turn(&reading_, read_page(&search, sink)));
      OUT_CO_CHECK(co_await sink->flush());
    }
    co_return Result<>();
  }

  /// Whether there may be another one.
  Task<Result<bool>> read_page(Search* search, Sink* sink) {
    ListRequest page{.prefix = search->prefix,
                     .after = search->after,
                     .limit = search->limit,
                     .bytes_max = kPageBytesMax};
    const bool only_one = search->keys.end.empty();
    if (only_one) page.limit = 1;  // It is the first of those that begin so.
    OUT_CO_TRY(const auto jobs, co_await engine_.list(std::move(page)));
    if (jobs.empty()) co_return false;
    search->after = jobs.back().name;
    search->limit = std::clamp(2 * jobs.size(), kPageJobsMin, kPageJobsMax);
    for (const auto& job : jobs) {
      std::string key = keyed(search->folder, job.name);
      if (!search->keys.contains(key)) {
        if (search->keys.ends_at(key)) co_return false;
        continue;
      }
      if (search->folder == kJobKeys) {
        sink->add(std::move(key), job.id, [&job] { return encode(job.job); });
      } else if (job.counter) {
        sink->add(std::move(key), job.id, [&job] { return encode(*job.counter); });
      }
    }
    co_return !only_one;
  }

  Engine& engine_;
  const std::string id_;
  Semaphore gathering_{kGatheringMax};
  Semaphore holding_{kHoldingMax};
  Semaphore measuring_{kMeasuringMax};
  Semaphore reading_{kReadingMax};
};

namespace {

namespace wire = google::protobuf::io;

wire::CodedInputStream stream_of(std::string_view message) {
  return wire::CodedInputStream(reinterpret_cast<const std::uint8_t*>(message.data()),
                                static_cast<int>(message.size()));
}

/// Counts the fields of a message, and of those in it so many levels deep, off `left`: false if it
/// is not enough, or if there is a group, whose fields are not counted and which no message here
/// has. What else is wrong the parser says.
bool count_fields(std::string_view message, int levels, int& left) {
  using google::protobuf::internal::WireFormatLite;
  auto in = stream_of(message);
  while (const std::uint32_t tag = in.ReadTag()) {
    const auto type = WireFormatLite::GetTagWireType(tag);
    if (--left < 0 || type == WireFormatLite::WIRETYPE_START_GROUP) return false;
    if (levels == 0 || type != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    std::uint32_t bytes = 0;
    if (!in.ReadVarint32(&bytes)) break;
    const auto at = static_cast<std::size_t>(in.CurrentPosition());
    if (bytes > message.size() - at) break;
    if (!count_fields(message.substr(at, bytes), levels - 1, left)) return false;
    if (!in.Skip(static_cast<int>(bytes))) break;
  }
  return true;
}

/// An operation takes many times the memory that it has in the message, and so does each field that
/// nobody knows.
template <class Request>
Result<> check_size(std::string_view message) {
  if constexpr (std::is_same_v<Request, pb::TxnRequest>) {
    int operations = kOperationsMax;
    if (!count_fields(message, 0, operations) && operations < 0) {
      return fail(Code::invalid_argument, "etcdserver: too many operations in txn request");
    }
  }
  constexpr int kLevels = 2;  // Of a transaction: operations, and the requests in them.
  int fields = kFieldsMax;
  if (count_fields(message, std::is_same_v<Request, pb::TxnRequest> ? kLevels : 0, fields))
    return {};
  return fail(Code::invalid_argument, "etcdserver: too many fields in the request, or a group");
}

template <class Request>
Result<Request> parse(std::string_view message) {
  // A transaction has operations; what is deeper is not served, and could be of any size.
  constexpr int kDepthMax = 2;
  OUT_CHECK(check_size<Request>(message));
  auto in = stream_of(message);
  in.SetRecursionLimit(kDepthMax);
  Request request;
  if (!request.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage()) {
    return fail(Code::internal, "grpc: error unmarshalling request: it is no " +
                                    std::string(Request::descriptor()->name()));
  }
  return request;
}

/// A method that takes one message and gives another.
template <class Request, class Response, class Owner>
net::grpc::UnaryMethod method(Owner& owner, Task<Result<Response>> (Owner::*call)(Request)) {
  struct Run {
    static Task<Result<std::string>> run(Owner* owner,
                                         Task<Result<Response>> (Owner::*call)(Request),
                                         std::string message) {
      OUT_CO_TRY(auto request, parse<Request>(message));
      OUT_CO_TRY(const auto response, co_await (owner->*call)(std::move(request)));
      co_return response.SerializeAsString();
    }
  };
  return [&owner, call](net::grpc::Call&, std::string message) {
    return Run::run(&owner, call, std::move(message));
  };
}

}  // namespace

/// Answers Range: a message that is small as a whole, a large one as it is read, for which its
/// length is found out before.
class EtcdFace::Ranges final : public net::grpc::Fallback {
 public:
  Ranges(Operations& operations, const Options& options)
      : operations_(operations), unread_max_(options.unread_max), sending_(options.large_max) {}

  Task<Result<net::Response>> handle(
      std::shared_ptr<net::grpc::Call> call, net::Request request,
      std::move_only_function<void(const net::grpc::Status&)> ended) override {
    Result<Answer> answer = fail(Code::unimplemented, "unknown method " + call->path);
    if (call->path == "/etcdserverpb.KV/Range")
      answer = co_await answer_to(std::move(request.body));
    if (!answer) {
      ended(net::grpc::to_status(answer.error()));
      co_return std::unexpected(std::move(answer).error());
    }
    net::Response response;
    response.headers.add("content-type", "application/grpc");
    if (answer->length) {
      auto pipe = std::make_shared<net::Pipe>();
      response.body = net::Body(pipe);
      scope_.spawn(
          send(std::move(answer->request), std::move(pipe), *answer->length, std::move(ended)));
      co_return response;
    }
    ended(net::grpc::Status());
    net::grpc::append_frame(response.body.whole, answer->whole);
    net::grpc::append_status(response.body.trailers, net::grpc::Status());
    co_return response;
  }

  /// Ends the answers that are being sent; nothing more is answered.
  void stop() {
    stopped_ = true;
    scope_.cancel();
  }
  /// When no more calls come.
  Task<void> join() { co_await scope_.join(); }

 private:
  /// As a message, or its length and what it is an answer to.
  struct Answer {
    std::string whole;
    std::optional<std::uint64_t> length;
    pb::RangeRequest request;
  };

  static Task<Result<pb::RangeRequest>> read(net::Body body) {
    OUT_CO_TRY(const auto bytes, co_await body.read_all(kMessageBytesMax));
    net::grpc::Deframer deframer(kMessageBytesMax);
    deframer.feed(bytes);
    OUT_CO_TRY(const auto frame, deframer.next());
    if (!frame || frame->compressed) {
      co_return fail(Code::internal, "grpc: no complete message in a unary request");
    }
    co_return parse<pb::RangeRequest>(frame->payload);
  }

  Task<Result<Answer>> answer_to(net::Body body) {
    Answer answer;
    OUT_CO_TRY(answer.request, co_await read(std::move(body)));
    const auto whole = co_await operations_.range_whole(answer.request);
    const bool large = !whole && whole.error().code() == Code::resource_exhausted;
    if (!whole && (!large || Operations::wanted_by(answer.request).last)) {
      co_return std::unexpected(whole.error());
    }
    if (whole) {
      answer.whole = whole->SerializeAsString();
      co_return answer;
    }
    OUT_CO_CHECK(co_await sending_.acquire());
    auto length = co_await length_of(answer.request);
    if (length) {
      answer.length = *length;
      co_return answer;
    }
    sending_.release();
    co_return std::unexpected(std::move(length).error());
  }

  Task<Result<std::uint64_t>> length_of(pb::RangeRequest request) {
    OUT_CO_TRY(const auto bytes, co_await operations_.measure(std::move(request)));
    const std::uint64_t length = bytes + bytes / 16 + kRoomBytes;
    if (length > std::numeric_limits<std::int32_t>::max()) co_return too_large();
    if (stopped_) co_return fail(Code::unavailable, "etcdserver: server stopped");
    co_return length;
  }

  Task<void> send(pb::RangeRequest request, std::shared_ptr<net::Pipe> pipe, std::uint64_t length,
                  std::move_only_function<void(const net::grpc::Status&)> ended) {
    std::string head(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>(length >> shift);
    pipe->push(std::move(head));
    const auto sent = co_await operations_.send(std::move(request), pipe, length, unread_max_);
    sending_.release();
    net::grpc::Status status;
    if (!sent) {
      status = net::grpc::to_status(sent.error());
      // What nobody takes is not to be kept.
      if (status.code == Code::deadline_exceeded) pipe->cut(sent.error());
    }
    net::Headers trailers;
    net::grpc::append_status(trailers, status);
    pipe->finish(std::move(trailers));
    ended(status);
  }

  Operations& operations_;
  const Duration unread_max_;
  /// Of answers that have a length, until they are sent.
  Semaphore sending_;
  Scope scope_;
  bool stopped_ = false;
};

EtcdFace::EtcdFace(Engine& engine, Loops& loops, Options options)
    : engine_(engine),
      options_(std::move(options)),
      operations_(std::make_unique<Operations>(engine_, options_.id)),
      ranges_(std::make_unique<Ranges>(*operations_, options_)),
      service_(net::grpc::ServiceOptions{.message_bytes_max = kMessageBytesMax}),
      loops_(loops) {
  service_.unary("/etcdserverpb.KV/Put", method(*operations_, &Operations::put));
  service_.unary("/etcdserverpb.KV/DeleteRange", method(*operations_, &Operations::remove_alone));
  service_.unary("/etcdserverpb.KV/Txn", method(*operations_, &Operations::transact));
  service_.set_fallback(ranges_.get());
}

EtcdFace::~EtcdFace() = default;

Result<> EtcdFace::open() {
  OUT_TRY(auto listener, net::Listener::bind(options_.address, options_.port));
  net::ServerOptions options;
  options.grpc = true;
  options.http1 = false;
  std::vector<net::RequestHandler*> handlers(loops_.size(), &service_);
  server_ = std::make_unique<net::Server>(loops_, std::move(handlers), std::move(options));
  server_->listen(std::move(listener));
  return {};
}

Task<void> EtcdFace::close() {
  // Answers that nobody reads are not waited for. While the port ends calls still come and run.
  ranges_->stop();
  if (server_) co_await server_->stop(kGrace);
  server_.reset();
  co_await ranges_->join();
  co_await service_.drain();
}

}  // namespace outrigger::control::scheduler
