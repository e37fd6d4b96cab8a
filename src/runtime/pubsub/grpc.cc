#include "runtime/pubsub/grpc.h"

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/pubsub/service.h"
#include "runtime/pubsub/stream_grpc.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::pubsub {
namespace {

namespace rt = dapr::proto::runtime::v1;

std::unexpected<Error> malformed() {
  return fail(Code::internal, "grpc: error unmarshalling request: malformed message");
}

template <class Map>
Properties properties(Map& map) {
  Properties out;
  for (auto& [name, value] : map) out.emplace(name, std::move(value));
  return out;
}

void note_call(net::grpc::Call& call, std::string_view topic) {
  auto* const span = runtime::api::span_of(call);
  if (span == nullptr) return;
  telemetry::note_service(*span, "Dapr");
  telemetry::note_topic(*span, topic);
}

Task<Result<std::string>> publish(Service& service, net::grpc::Call& call, std::string message) {
  Publish request;
  {
    rt::PublishEventRequest in;
    if (!in.ParseFromString(message)) co_return malformed();
    request.pubsub_name = std::move(*in.mutable_pubsub_name());
    request.topic = std::move(*in.mutable_topic());
    request.content_type = std::move(*in.mutable_data_content_type());
    request.data = std::move(*in.mutable_data());
    request.metadata = properties(*in.mutable_metadata());
  }
  request.face = Face::grpc;
  note_call(call, request.topic);
  request.trace = runtime::api::trace_of(call);
  auto published = co_await service.publish(std::move(request));
  if (!published) co_return std::unexpected(std::move(published).error());
  co_return std::string();
}

Task<Result<std::string>> bulk_publish(Service& service, net::grpc::Call& call,
                                       std::string message) {
  BulkPublish request;
  {
    rt::BulkPublishRequest in;
    if (!in.ParseFromString(message)) co_return malformed();
    request.pubsub_name = std::move(*in.mutable_pubsub_name());
    request.topic = std::move(*in.mutable_topic());
    request.metadata = properties(*in.mutable_metadata());
    request.entries.reserve(static_cast<std::size_t>(in.entries_size()));
    for (auto& entry : *in.mutable_entries()) {
      BulkPublish::Entry& out = request.entries.emplace_back();
      out.entry_id = std::move(*entry.mutable_entry_id());
      out.content_type = std::move(*entry.mutable_content_type());
      out.data = std::move(*entry.mutable_event());
      if (entry.metadata_size() > 0) out.metadata = properties(*entry.mutable_metadata());
    }
  }
  request.face = Face::grpc;
  request.span_name = call.path + "/";  // As upstream names it.
  note_call(call, request.topic);
  request.trace = runtime::api::trace_of(call);
  BulkPublished outcome = co_await service.bulk_publish(std::move(request));
  if (outcome.error) co_return fail(*std::move(outcome.error));
  // Failures always come with an error, so the list of failed entries is empty.
  co_return std::string();
}

}  // namespace

void add_grpc_methods(net::grpc::Service& methods, Service& service, Subscriber& subscriber) {
  methods.unary("/dapr.proto.runtime.v1.Dapr/PublishEvent",
                [&service](net::grpc::Call& call, std::string message) {
                  return publish(service, call, std::move(message));
                });
  for (const char* name : {"BulkPublishEvent", "BulkPublishEventAlpha1"}) {
    methods.unary(std::string("/dapr.proto.runtime.v1.Dapr/") + name,
                  [&service](net::grpc::Call& call, std::string message) {
                    return bulk_publish(service, call, std::move(message));
                  });
  }
  methods.stream("/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1",
                 [&subscriber](net::grpc::Call&, net::grpc::ServerStream& stream) {
                   return subscribe_stream(subscriber, stream);
                 });
}

}  // namespace outrigger::pubsub
