#include <deque>
#include <limits>

#include "control/scheduler/etcd_face.h"
#include "control/scheduler/etcd_keys.h"
#include "control/scheduler/record.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "etcd/rpc.pb.h"
#include "scheduler_store/leadership.pb.h"

namespace outrigger::control::scheduler {
namespace {

namespace pb = etcdserverpb;

constexpr std::string_view kJobs = "dapr/jobs/";
constexpr std::string_view kCounters = "dapr/counters/";
constexpr std::string_view kReplicas = "dapr/leadership/";
constexpr std::size_t kMessageBytesMax = std::size_t{64} << 20;
// What is not sent as it is read is not more than this.
constexpr std::size_t kHeldBytesMax = std::size_t{64} << 20;
// A range that is larger is sent as it is read.
constexpr std::size_t kWholeBytesMax = std::size_t{4} << 20;
// That no field of a RangeResponse has.
constexpr std::uint32_t kPadding = 1000;
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

mvccpb::KeyValue record_of(std::string key, std::string value, JobId revision) {
  mvccpb::KeyValue record;
  record.set_key(std::move(key));
  record.set_value(std::move(value));
  record.set_create_revision(static_cast<std::int64_t>(revision));
  record.set_mod_revision(static_cast<std::int64_t>(revision));
  record.set_version(1);
  return record;
}

std::string keyed(std::string_view folder, std::string_view name) {
  std::string key(folder);
  key += name;
  return key;
}

std::unexpected<Error> too_large() {
  return fail(Code::resource_exhausted,
              "etcdserver: request is too large: what it gives does not fit in memory; ask for the "
              "records of one app, or page by page");
}

/// What of the records in a range is wanted.
struct Wanted {
  std::size_t limit = 0;  ///< 0: all.
  bool last = false;      ///< The last ones, backwards.
  bool keys = true;
  bool values = true;

  [[nodiscard]] bool full(std::size_t count) const { return limit > 0 && count >= limit; }
};

/// Takes the records of a range one after the other.
class Sink {
 public:
  explicit Sink(Wanted wanted) : wanted_(wanted) {}
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// In the order of keys. `render` gives the value.
  template <class Render>
  void add(std::string key, JobId revision, const Render& render) {
    ++count_;
    if (!wanted_.keys || (wanted_.full(count_ - 1) && !wanted_.last)) return;
    std::string value;
    if (wanted_.values) value = render();
    take(record_of(std::move(key), std::move(value), revision));
  }
  /// Deals with what has been added: at the end of each page of the store, and when full().
  virtual Task<Result<>> flush() = 0;
  [[nodiscard]] virtual bool full() const noexcept { return false; }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool more() const noexcept {
    return wanted_.keys && wanted_.limit > 0 && count_ > wanted_.limit;
  }

 protected:
  virtual void take(mvccpb::KeyValue record) = 0;
  const Wanted wanted_;

 private:
  std::size_t count_ = 0;
};

/// As a part of an answer.
pb::RangeResponse part_of(mvccpb::KeyValue record) {
  pb::RangeResponse part;
  *part.add_kvs() = std::move(record);
  return part;
}

/// Keeps them, up to so many bytes.
class Finding final : public Sink {
 public:
  Finding(Wanted wanted, std::size_t bytes_max) : Sink(wanted), bytes_max_(bytes_max) {}

  Task<Result<>> flush() override {
    if (full()) co_return too_large();
    co_return Result<>();
  }
  [[nodiscard]] bool full() const noexcept override { return bytes_ > bytes_max_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  std::deque<mvccpb::KeyValue> records() {
    if (wanted_.last) std::ranges::reverse(records_);
    return std::move(records_);
  }

 private:
  void take(mvccpb::KeyValue record) override {
    if (wanted_.full(records_.size())) {
      bytes_ -= records_.front().ByteSizeLong();
      records_.pop_front();
    }
    bytes_ += record.ByteSizeLong();
    records_.push_back(std::move(record));
  }

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<mvccpb::KeyValue> records_;
};

/// Finds out how many bytes they are in an answer.
class Measuring final : public Sink {
 public:
  using Sink::Sink;
  Task<Result<>> flush() override { co_return Result<>(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  void take(mvccpb::KeyValue record) override {
    bytes_ += part_of(std::move(record)).ByteSizeLong();
  }
  std::uint64_t bytes_ = 0;
};

/// Sends them, in an answer of a length that was told before.
class Sending final : public Sink {
 public:
  Sending(Wanted wanted, std::shared_ptr<net::Pipe> pipe, std::uint64_t length)
      : Sink(wanted), pipe_(std::move(pipe)), left_(length) {}

  /// What is no record.
  void append(std::string_view bytes) {
    OUT_ASSERT(bytes.size() <= left_);
    left_ -= bytes.size();
    pending_ += bytes;
  }
  Task<Result<>> flush() override {
    OUT_CO_CHECK(fits_);
    std::string bytes = std::move(pending_);
    pending_.clear();
    auto written = co_await pipe_->write(std::move(bytes));
    co_return written;
  }
  [[nodiscard]] bool full() const noexcept override {
    return !fits_ || pending_.size() >= net::Pipe::kHighWaterBytes;
  }
  /// Fills the rest with a field that readers pass over.
  Task<Result<>> fill() {
    OUT_CO_CHECK(co_await flush());
    while (left_ > 0) {
      append(padding(left_));
      OUT_CO_CHECK(co_await flush());
    }
    co_return Result<>();
  }
  /// For what follows the records: the count, and a field that fills the rest.
  static constexpr std::uint64_t kReserve = 64;

 private:
  void take(mvccpb::KeyValue record) override {
    if (!fits_) return;
    const std::string bytes = part_of(std::move(record)).SerializeAsString();
    if (bytes.size() + kReserve <= left_) return append(bytes);
    fits_ =
        fail(Code::unavailable, "etcdserver: more was written meanwhile than there is room for");
  }
  /// A field of at most so many bytes, which leaves none or enough for another.
  static std::string padding(std::uint64_t bytes) {
    constexpr std::uint64_t kPaddingMin = 16;
    constexpr std::uint64_t kPieceMax = 64 * 1024;
    const std::uint64_t piece = bytes <= kPieceMax ? bytes : kPieceMax / 2;
    // No content gives some lengths, for the field tells its own.
    for (const std::uint64_t size : {piece, piece - kPaddingMin}) {
      for (const std::uint64_t head : {3U, 4U, 5U}) {
        pb::RangeResponse field;
        auto* unknown = field.GetReflection()->MutableUnknownFields(&field);
        unknown->AddLengthDelimited(kPadding, std::string(size - head, '\0'));
        if (field.ByteSizeLong() == size) return field.SerializeAsString();
      }
    }
    return "";
  }

  std::shared_ptr<net::Pipe> pipe_;
  std::uint64_t left_;
  std::string pending_;
  Result<> fits_;
};

}  // namespace

/// Deletes the jobs among them.
class Removing final : public Sink {
 public:
  explicit Removing(Engine& engine) : Sink(Wanted{.values = false}), engine_(engine) {}

  Task<Result<>> flush() override {
    const auto names = std::exchange(names_, {});
    for (const auto& name : names) {
      OUT_CO_CHECK(co_await engine_.remove(name));
      ++removed_;
    }
    co_return Result<>();
  }
  [[nodiscard]] std::int64_t removed() const noexcept { return removed_; }

 private:
  void take(mvccpb::KeyValue record) override {
    if (record.key().starts_with(kJobs)) names_.push_back(record.key().substr(kJobs.size()));
  }

  Engine& engine_;
  std::vector<std::string> names_;
  std::int64_t removed_ = 0;
};

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

  /// Takes what it holds off `bytes_max`, above which it fails.
  Task<Result<pb::RangeResponse>> range(pb::RangeRequest request, std::size_t* bytes_max) {
    if (request.key().empty()) co_return no_key();
    Finding finding(wanted_by(request), *bytes_max);
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &finding));
    *bytes_max -= finding.bytes();
    pb::RangeResponse response;
    *response.mutable_header() = header();
    response.set_count(static_cast<std::int64_t>(finding.count()));
    response.set_more(finding.more());
    for (auto& record : finding.records()) *response.add_kvs() = std::move(record);
    co_return response;
  }

  /// How long an answer to this would be now.
  Task<Result<std::uint64_t>> measure(pb::RangeRequest request) {
    Measuring measuring(wanted_by(request));
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &measuring));
    co_return measuring.bytes();
  }

  /// An answer of exactly this length, as a message.
  Task<Result<>> send(pb::RangeRequest request, std::shared_ptr<net::Pipe> pipe,
                      std::uint64_t length) {
    Sending sending(wanted_by(request), std::move(pipe), length);
    pb::RangeResponse part;
    *part.mutable_header() = header();
    sending.append(part.SerializeAsString());
    KeyRange keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &sending));
    OUT_CO_CHECK(co_await sending.flush());
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
      if (!record.key().starts_with(kJobs)) continue;
      OUT_CO_CHECK(co_await engine_.remove(record.key().substr(kJobs.size())));
      response.set_deleted(response.deleted() + 1);
      *response.add_prev_kvs() = std::move(record);
    }
    co_return response;
  }
  Task<Result<pb::DeleteRangeResponse>> remove_alone(pb::DeleteRangeRequest request) {
    std::size_t bytes_max = kHeldBytesMax;
    co_return co_await remove(std::move(request), &bytes_max);
  }

  Task<Result<pb::PutResponse>> put(pb::PutRequest request) {
    pb::PutResponse response;
    *response.mutable_header() = header();
    const std::string& key = request.key();
    if (key.starts_with(kJobs)) {
      OUT_CO_TRY(auto job, decode_job(request.value()));
      OUT_CO_CHECK(co_await engine_.restore(key.substr(kJobs.size()), std::move(job)));
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
    std::size_t bytes_max = kHeldBytesMax;  // Of all operations together.
    pb::TxnResponse response;
    *response.mutable_header() = header();
    response.set_succeeded(true);
    for (auto& operation : *request.mutable_success()) {
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

 private:
  static std::unexpected<Error> no_key() {
    return fail(Code::invalid_argument, "etcdserver: key is not provided");
  }

  /// In the order of keys: counters, jobs, replicas.
  Task<Result<>> find(KeyRange keys, Sink* sink) {
    for (const auto folder : {kCounters, kJobs}) {
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

  /// A page of the store at a time.
  Task<Result<>> find_under(std::string_view folder, KeyRange keys, Sink* sink) {
    const std::string prefix = keys.names_under(folder);
    std::string after = keys.before_names(folder);
    for (;;) {
      ListRequest page{.prefix = prefix, .after = after};
      OUT_CO_TRY(const auto jobs, co_await engine_.list(std::move(page)));
      if (jobs.empty()) co_return Result<>();
      after = jobs.back().name;
      for (const auto& job : jobs) {
        std::string key = keyed(folder, job.name);
        if (!keys.contains(key)) {
          if (keys.ends_at(key)) co_return Result<>();
          continue;
        }
        if (folder == kJobs) {
          sink->add(std::move(key), job.id, [&job] { return encode(job.job); });
        } else if (job.counter) {
          sink->add(std::move(key), job.id, [&job] { return encode(*job.counter); });
        }
        if (sink->full()) {
          OUT_CO_CHECK(co_await sink->flush());
        }
      }
      OUT_CO_CHECK(co_await sink->flush());
      if (keys.end.empty()) co_return Result<>();  // The one is the first of those that begin so.
    }
  }

  Engine& engine_;
  const std::string id_;
};

namespace {

/// A method that takes one message and gives another.
template <class Request, class Response, class Owner>
net::grpc::UnaryMethod method(Owner& owner, Task<Result<Response>> (Owner::*call)(Request)) {
  struct Run {
    static Task<Result<std::string>> run(Owner* owner,
                                         Task<Result<Response>> (Owner::*call)(Request),
                                         std::string message) {
      Request request;
      if (!request.ParseFromString(message)) {
        co_return fail(Code::internal, "grpc: error unmarshalling request: it is no " +
                                           std::string(Request::descriptor()->name()));
      }
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
  explicit Ranges(Operations& operations) : operations_(operations) {}

  Task<Result<net::Response>> handle(
      std::shared_ptr<net::grpc::Call> call, net::Request request,
      std::move_only_function<void(const net::grpc::Status&)> ended) override {
    if (call->path != "/etcdserverpb.KV/Range") {
      co_return fail(Code::unimplemented, "unknown method " + call->path);
    }
    auto response = co_await answer(std::move(request.body));
    // Nobody counts what becomes of the rest.
    ended(net::grpc::Status());
    if (!response) co_return net::grpc::status_response(net::grpc::to_status(response.error()));
    co_return response;
  }
  Task<void> close() {
    scope_.cancel();
    co_await scope_.join();
  }

 private:
  static Task<Result<pb::RangeRequest>> read(net::Body body) {
    OUT_CO_TRY(const auto bytes, co_await body.read_all(kMessageBytesMax));
    net::grpc::Deframer deframer(kMessageBytesMax);
    deframer.feed(bytes);
    OUT_CO_TRY(const auto frame, deframer.next());
    pb::RangeRequest request;
    if (!frame || frame->compressed ||
        !request.ParseFromArray(frame->payload.data(), static_cast<int>(frame->payload.size()))) {
      co_return fail(Code::internal, "grpc: error unmarshalling request: it is no RangeRequest");
    }
    co_return request;
  }

  Task<Result<net::Response>> answer(net::Body body) {
    OUT_CO_TRY(const auto request, co_await read(std::move(body)));
    const bool backwards = request.sort_order() == pb::RangeRequest::DESCEND;
    std::size_t bytes_max = backwards ? kHeldBytesMax : kWholeBytesMax;
    auto whole = co_await operations_.range(request, &bytes_max);
    const bool large = !whole && whole.error().code() == Code::resource_exhausted;
    if (!whole && (backwards || !large)) co_return std::unexpected(std::move(whole).error());
    net::Response response;
    response.headers.add("content-type", "application/grpc");
    if (whole) {
      net::grpc::append_frame(response.body.whole, whole->SerializeAsString());
      net::grpc::append_status(response.body.trailers, net::grpc::Status());
      co_return response;
    }
    OUT_CO_TRY(const auto bytes, co_await operations_.measure(request));
    // Jobs may be written while they are read.
    const std::uint64_t length = bytes + bytes / 16 + kWholeBytesMax;
    if (length > std::numeric_limits<std::int32_t>::max()) co_return too_large();
    auto pipe = std::make_shared<net::Pipe>();
    response.body = net::Body(pipe);
    scope_.spawn(send(request, std::move(pipe), length));
    co_return response;
  }

  Task<void> send(pb::RangeRequest request, std::shared_ptr<net::Pipe> pipe, std::uint64_t length) {
    std::string head(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>(length >> shift);
    pipe->push(std::move(head));
    const auto sent = co_await operations_.send(std::move(request), pipe, length);
    net::grpc::Status status;
    if (!sent) status = net::grpc::to_status(sent.error());
    net::Headers trailers;
    net::grpc::append_status(trailers, status);
    pipe->finish(std::move(trailers));
  }

  Operations& operations_;
  Scope scope_;
};

EtcdFace::EtcdFace(Engine& engine, Loops& loops, Options options)
    : engine_(engine),
      options_(std::move(options)),
      operations_(std::make_unique<Operations>(engine_, options_.id)),
      ranges_(std::make_unique<Ranges>(*operations_)),
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
  co_await ranges_->close();
  co_await service_.drain();
  if (server_) co_await server_->stop(kGrace);
  server_.reset();
}

}  // namespace outrigger::control::scheduler
