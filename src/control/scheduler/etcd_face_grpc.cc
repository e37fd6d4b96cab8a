#include <deque>

#include "control/scheduler/etcd_face.h"
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
constexpr Duration kGrace = std::chrono::seconds(1);

/// The keys from `begin` to before `end`; no end: the one key; a zero byte: all that follow.
struct Range {
  std::string begin;
  std::string end;

  [[nodiscard]] bool endless() const { return end == std::string(1, '\0'); }
  [[nodiscard]] bool contains(std::string_view key) const {
    if (end.empty()) return key == begin;
    return key >= begin && (endless() || key < end);
  }
  /// Whether it may contain a key that begins so.
  [[nodiscard]] bool meets(std::string_view prefix) const {
    if (begin.starts_with(prefix)) return true;
    return !end.empty() && begin < prefix && (endless() || end > prefix);
  }
  /// Whether all that follow this key are outside of it.
  [[nodiscard]] bool ends_at(std::string_view key) const {
    if (end.empty()) return key >= begin;
    return !endless() && key >= end;
  }
  /// What all names in it begin with, of keys under this folder; "" if it is not that simple.
  [[nodiscard]] std::string names_under(std::string_view folder) const {
    if (!begin.starts_with(folder)) return "";
    std::string last = begin;
    if (!last.empty()) last.back() = static_cast<char>(last.back() + 1);
    return end.empty() || end == last ? begin.substr(folder.size()) : "";
  }
  /// A text that no name in it is before or equal to, and that is not far before the first; "" if
  /// that may be any. Names are UTF-8.
  [[nodiscard]] std::string before_names(std::string_view folder) const {
    if (!begin.starts_with(folder) || begin.size() == folder.size()) return "";
    std::string name = begin.substr(folder.size());
    const auto last = static_cast<unsigned char>(name.back());
    name.pop_back();
    // A client that reads page by page begins behind its last key with a zero byte.
    if (last == 0) return name;
    name += static_cast<char>(last - 1);
    name += '\xff';
    return name;
  }
};

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

/// What of the records in a range is wanted, and how many there are.
class Finding {
 public:
  struct Wanted {
    std::size_t limit = 0;  ///< 0: all.
    bool last = false;      ///< The last ones, backwards.
    bool keys = true;
    bool values = true;
  };
  explicit Finding(Wanted wanted) : wanted_(wanted) {}

  /// In the order of keys. `render` gives the value.
  template <class Render>
  void add(std::string key, JobId revision, const Render& render) {
    ++count_;
    if (!wanted_.keys || (full() && !wanted_.last)) return;
    if (full()) records_.pop_front();
    std::string value;
    if (wanted_.values) value = render();
    records_.push_back(record_of(std::move(key), std::move(value), revision));
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  std::deque<mvccpb::KeyValue> take() {
    if (wanted_.last) std::ranges::reverse(records_);
    return std::move(records_);
  }

 private:
  [[nodiscard]] bool full() const { return wanted_.limit > 0 && records_.size() >= wanted_.limit; }

  const Wanted wanted_;
  std::size_t count_ = 0;
  std::deque<mvccpb::KeyValue> records_;
};

}  // namespace

/// The operations on the records.
class EtcdFace::Operations {
 public:
  Operations(Engine& engine, std::string id) : engine_(engine), id_(std::move(id)) {}

  Task<Result<pb::RangeResponse>> range(pb::RangeRequest request) {
    if (request.key().empty()) co_return no_key();
    Finding::Wanted wanted;
    wanted.limit = static_cast<std::size_t>(std::max<std::int64_t>(request.limit(), 0));
    wanted.last = request.sort_order() == pb::RangeRequest::DESCEND;
    wanted.keys = !request.count_only();
    wanted.values = !request.keys_only();
    Finding finding(wanted);
    Range keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &finding));
    pb::RangeResponse response;
    *response.mutable_header() = header();
    response.set_count(static_cast<std::int64_t>(finding.count()));
    response.set_more(!request.count_only() && wanted.limit > 0 && finding.count() > wanted.limit);
    for (auto& record : finding.take()) *response.add_kvs() = std::move(record);
    co_return response;
  }

  Task<Result<pb::DeleteRangeResponse>> remove(pb::DeleteRangeRequest request) {
    if (request.key().empty()) co_return no_key();
    Finding::Wanted wanted;
    wanted.values = request.prev_kv();
    Finding finding(wanted);
    Range keys{request.key(), request.range_end()};
    OUT_CO_CHECK(co_await find(std::move(keys), &finding));
    pb::DeleteRangeResponse response;
    *response.mutable_header() = header();
    for (auto& record : finding.take()) {
      if (!record.key().starts_with(kJobs)) continue;
      OUT_CO_CHECK(co_await engine_.remove(record.key().substr(kJobs.size())));
      response.set_deleted(response.deleted() + 1);
      if (request.prev_kv()) *response.add_prev_kvs() = std::move(record);
    }
    co_return response;
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
    pb::TxnResponse response;
    *response.mutable_header() = header();
    response.set_succeeded(true);
    for (auto& operation : *request.mutable_success()) {
      pb::ResponseOp& done = *response.add_responses();
      if (operation.has_request_range()) {
        OUT_CO_TRY(*done.mutable_response_range(),
                   co_await range(std::move(*operation.mutable_request_range())));
      } else if (operation.has_request_put()) {
        OUT_CO_TRY(*done.mutable_response_put(),
                   co_await put(std::move(*operation.mutable_request_put())));
      } else if (operation.has_request_delete_range()) {
        OUT_CO_TRY(*done.mutable_response_delete_range(),
                   co_await remove(std::move(*operation.mutable_request_delete_range())));
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
  Task<Result<>> find(Range keys, Finding* finding) {
    for (const auto folder : {kCounters, kJobs}) {
      if (!keys.meets(folder)) continue;
      OUT_CO_CHECK(co_await find_under(folder, keys, finding));
    }
    std::string own = keyed(kReplicas, id_);
    if (keys.contains(own)) {
      finding->add(std::move(own), 1, [this] { return replica_record(engine_.hosts().addresses); });
    }
    co_return Result<>();
  }

  /// A page of the store at a time.
  Task<Result<>> find_under(std::string_view folder, Range keys, Finding* finding) {
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
          finding->add(std::move(key), job.id, [&job] { return encode(job.job); });
        } else if (job.counter) {
          finding->add(std::move(key), job.id, [&job] { return encode(*job.counter); });
        }
      }
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

EtcdFace::EtcdFace(Engine& engine, Loops& loops, Options options)
    : engine_(engine),
      options_(std::move(options)),
      operations_(std::make_unique<Operations>(engine_, options_.id)),
      service_(net::grpc::ServiceOptions{.message_bytes_max = kMessageBytesMax}),
      loops_(loops) {
  service_.unary("/etcdserverpb.KV/Range", method(*operations_, &Operations::range));
  service_.unary("/etcdserverpb.KV/Put", method(*operations_, &Operations::put));
  service_.unary("/etcdserverpb.KV/DeleteRange", method(*operations_, &Operations::remove));
  service_.unary("/etcdserverpb.KV/Txn", method(*operations_, &Operations::transact));
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
  co_await service_.drain();
  if (server_) co_await server_->stop(kGrace);
  server_.reset();
}

}  // namespace outrigger::control::scheduler
