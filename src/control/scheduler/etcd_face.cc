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
constexpr std::size_t kMessageBytesMax = std::size_t{16} << 20;
constexpr Duration kGrace = std::chrono::seconds(1);

/// What a request asks for, and what has been found of it.
class Matches {
 public:
  explicit Matches(pb::RangeRequest request) : request_(std::move(request)) {
    revision_ = wall_now().time_since_epoch().count();
  }
  /// Whether any key that begins so can be among those that are asked for.
  [[nodiscard]] bool wants(std::string_view prefix) const {
    const std::string& key = request_.key();
    const std::string& end = request_.range_end();
    if (key.empty() || end.empty()) return key.starts_with(prefix);
    const bool begins_before = key < prefix || key.starts_with(prefix);
    return begins_before && (end == std::string(1, '\0') || end > prefix);
  }
  void add(std::string key, std::string value, JobId revision) {
    if (!matches(key)) return;
    ++count_;
    const bool full = request_.limit() > 0 && response_.kvs_size() >= request_.limit();
    response_.set_more(response_.more() || full);
    if (full || request_.count_only()) return;
    auto& kv = *response_.add_kvs();
    kv.set_key(std::move(key));
    if (!request_.keys_only()) kv.set_value(std::move(value));
    kv.set_create_revision(static_cast<std::int64_t>(revision));
    kv.set_mod_revision(static_cast<std::int64_t>(revision));
    kv.set_version(1);
  }
  std::string render() {
    response_.set_count(count_);
    response_.mutable_header()->set_cluster_id(1);
    response_.mutable_header()->set_member_id(1);
    response_.mutable_header()->set_raft_term(1);
    response_.mutable_header()->set_revision(revision_);
    const bool descending = request_.sort_order() == pb::RangeRequest::DESCEND;
    if (descending) {
      std::reverse(response_.mutable_kvs()->pointer_begin(),
                   response_.mutable_kvs()->pointer_end());
    }
    return response_.SerializeAsString();
  }

 private:
  [[nodiscard]] bool matches(const std::string& key) const {
    if (request_.range_end().empty()) return key == request_.key();
    if (key < request_.key()) return false;
    return request_.range_end() == std::string(1, '\0') || key < request_.range_end();
  }
  pb::RangeRequest request_;
  pb::RangeResponse response_;
  std::int64_t count_ = 0;
  std::int64_t revision_ = 0;
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

}  // namespace

EtcdFace::EtcdFace(Engine& engine, Loops& loops, Options options)
    : engine_(engine),
      options_(std::move(options)),
      service_(net::grpc::ServiceOptions{.message_bytes_max = kMessageBytesMax}),
      loops_(loops) {
  service_.unary("/etcdserverpb.KV/Range", [this](net::grpc::Call&, std::string message) {
    return range(std::move(message));
  });
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

Task<Result<std::string>> EtcdFace::range(std::string message) {
  pb::RangeRequest request;
  if (!request.ParseFromString(message)) {
    co_return fail(Code::internal, "grpc: error unmarshalling request: it is no RangeRequest");
  }
  if (request.key().empty())
    co_return fail(Code::invalid_argument, "etcdserver: key is not provided");
  Matches found(std::move(request));
  // In the order of keys: counters, jobs, replicas.
  for (const auto prefix : {kCounters, kJobs}) {
    if (!found.wants(prefix)) continue;
    std::string after;
    for (;;) {
      ListRequest page{.after = after};
      OUT_CO_TRY(const auto jobs, co_await engine_.list(std::move(page)));
      if (jobs.empty()) break;
      after = jobs.back().name;
      for (const auto& job : jobs) {
        std::string key(prefix);
        key += job.name;
        if (prefix == kJobs) {
          found.add(std::move(key), encode(job.job), job.id);
        } else if (job.counter) {
          found.add(std::move(key), encode(*job.counter), job.id);
        }
      }
    }
  }
  if (found.wants(kReplicas)) {
    found.add(std::string(kReplicas) + options_.id, replica_record(engine_.hosts().addresses), 1);
  }
  co_return found.render();
}

}  // namespace outrigger::control::scheduler
