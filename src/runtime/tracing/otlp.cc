#include "base/blocking_pool.h"
#include "base/log.h"
#include "net/grpc/channel.h"
#include "net/tls.h"
#include "runtime/tracing/exporters.h"
#include "runtime/tracing/http_post.h"
#include "runtime/tracing/otlp_protobuf.h"

namespace outrigger::runtime::tracing {
namespace {

const Logger log("dapr.runtime.trace");

constexpr std::string_view kExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// What both ways have in common.
class Otlp : public Exporter {
 public:
  Otlp(std::string target, const Resource& resource, bool gzip)
      : target_(std::move(target)), resource_(otlp_resource(resource)), gzip_(gzip) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "otlp"; }
  [[nodiscard]] std::string_view target() const noexcept override { return target_; }
  void append(std::string& out, const telemetry::FinishedSpan& span) const override {
    append_otlp_span(out, span);
  }

 protected:
  /// The request, compressed if it is to be: away from the loop, for a full batch takes long.
  Task<Result<std::string>> request(std::string spans) const {
    std::string plain = otlp_request(resource_, spans);
    if (!gzip_) co_return plain;
    std::move_only_function<Result<std::string>()> work = [plain = std::move(plain)] {
      return Result<std::string>(net::grpc::gzip(plain));
    };
    auto compressed = co_await BlockingPool::shared().run(std::move(work));
    co_return compressed;
  }
  /// It could not be compressed now.
  static Delivery later(Error error) {
    Delivery delivery;
    delivery.retry = true;
    delivery.result = std::unexpected(std::move(error));
    return delivery;
  }
  void look_at(std::string_view answer) const {
    const PartialSuccess partial = read_otlp_response(answer);
    if (partial.rejected_spans == 0 && partial.message.empty()) return;
    log.debug("trace receiver ", target_, " refused ", partial.rejected_spans,
              " spans: ", partial.message);
  }

 private:
  std::string target_;
  std::string resource_;
  bool gzip_;
};

class OtlpHttp final : public Otlp {
 public:
  OtlpHttp(std::string shown, const Resource& resource, bool gzip, HttpPost::Target target)
      : Otlp(std::move(shown), resource, gzip), post_(std::move(target)) {}

  Task<Delivery> send(std::string parts) override {
    auto body = co_await request(std::move(parts));
    if (!body) co_return later(std::move(body).error());
    std::string answer;
    auto delivery = co_await post_.post(*std::move(body), &answer);
    if (delivery.result) look_at(answer);
    co_return delivery;
  }
  Task<void> close() override { co_await post_.close(); }

 private:
  HttpPost post_;
};

bool is_worth_another_try(const net::grpc::Status& status) noexcept {
  switch (status.code) {
    case Code::cancelled:
    case Code::deadline_exceeded:
    case Code::aborted:
    case Code::out_of_range:
    case Code::unavailable:
    case Code::data_loss: return true;
    // Only if the receiver says that it will recover.
    case Code::resource_exhausted:
      return status.details_bin.find("google.rpc.RetryInfo") != std::string::npos;
    default: return false;
  }
}

class OtlpGrpc final : public Otlp {
 public:
  struct Target {
    net::Endpoint endpoint;
    std::string authority;
    net::grpc::CallOptions call;
  };
  OtlpGrpc(std::string shown, const Resource& resource, Target target)
      : Otlp(std::move(shown), resource, target.call.gzipped), to_(std::move(target)) {}

  Task<Delivery> send(std::string parts) override {
    if (!client_) {
      client_.emplace();
      channel_.emplace(*client_, to_.endpoint, to_.authority);
    }
    auto message = co_await request(std::move(parts));
    if (!message) co_return later(std::move(message).error());
    auto reply = co_await channel_->unary(std::string(kExport), *std::move(message), to_.call);
    Delivery delivery;
    if (!reply) {
      delivery.result = std::unexpected(std::move(reply).error());
      co_return delivery;
    }
    if (reply->status.ok()) {
      look_at(reply->message);
      co_return delivery;
    }
    delivery.retry = is_worth_another_try(reply->status);
    delivery.result = std::unexpected(net::grpc::to_error(std::move(reply->status)));
    co_return delivery;
  }

  Task<void> close() override {
    channel_.reset();
    if (client_) co_await client_->close();
    client_.reset();
  }

 private:
  Target to_;
  std::optional<net::Client> client_;
  std::optional<net::grpc::Channel> channel_;
};

Result<net::Endpoint> endpoint_of(const OtlpOptions& options) {
  const bool grpc = options.protocol == OtlpOptions::Protocol::grpc;
  using Protocol = net::Endpoint::Protocol;
  net::Endpoint endpoint;
  endpoint.address = {.host = options.host, .port = options.port};
  endpoint.protocol = grpc ? Protocol::http2 : Protocol::http1;
  if (!options.tls) return endpoint;
  net::TlsOptions tls;
  tls.ca_pem = options.ca_pem;
  tls.certificate_chain_pem = options.certificate_pem;
  tls.private_key_pem = options.key_pem;
  tls.alpn.emplace_back("h2");
  if (!grpc) {
    tls.alpn.emplace_back("http/1.1");
    endpoint.protocol = Protocol::negotiate;
  }
  OUT_TRY(endpoint.tls, net::TlsContext::client(std::move(tls)));
  return endpoint;
}

}  // namespace

Result<std::unique_ptr<Exporter>> make_otlp_http(OtlpOptions options, Resource resource) {
  HttpPost::Target target;
  OUT_TRY(target.endpoint, endpoint_of(options));
  target.authority = target.endpoint.address.to_string();
  target.path = options.path;
  for (const auto& [name, value] : options.headers) target.headers.set(name, value);
  target.headers.set("content-type", "application/x-protobuf");
  if (options.gzip) target.headers.set("content-encoding", "gzip");
  target.timeout = options.timeout;
  std::string shown = (options.tls ? "https://" : "http://") + target.authority + target.path;
  return std::make_unique<OtlpHttp>(std::move(shown), resource, options.gzip, std::move(target));
}

Result<std::unique_ptr<Exporter>> make_otlp_grpc(OtlpOptions options, Resource resource) {
  OtlpGrpc::Target target;
  OUT_TRY(target.endpoint, endpoint_of(options));
  target.authority = target.endpoint.address.is_unix() ? std::string("localhost")
                                                       : target.endpoint.address.to_string();
  for (const auto& [name, value] : options.headers) target.call.metadata.set(name, value);
  target.call.timeout = options.timeout;
  target.call.gzipped = options.gzip;
  std::string shown = target.endpoint.address.to_string();
  return std::make_unique<OtlpGrpc>(std::move(shown), resource, std::move(target));
}

}  // namespace outrigger::runtime::tracing
