#include <map>

#include "base/log.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "net/grpc/metadata.h"
#include "runtime/pubsub/event_proto.h"

namespace outrigger::pubsub {
namespace {

namespace rt = ::dapr::proto::runtime::v1;
using net::grpc::CallOptions;

const Logger log("dapr.runtime.processor.pubsub.subscription.grpc");

constexpr std::string_view kOnEvent = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
constexpr std::string_view kOnBulkEvent = "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent";
constexpr std::string_view kOnBulkEventAlpha =
    "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1";

CallOptions options_of(const Properties& metadata, const telemetry::TraceContext& trace) {
  CallOptions options;
  for (const auto& [name, value] : metadata) {
    const std::string key = to_lower(name);
    if (key == "content-type" || key == "content-length" || key == "traceparent" ||
        key == "grpc-trace-bin") {
      continue;
    }
    // What cannot be metadata is left out: it would break the call for good.
    if (net::grpc::check_metadata(key, value)) options.metadata.add(key, value);
  }
  // Also without a trace, as upstream: then it is all zero.
  options.metadata.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  if (trace.has_trace_id()) {
    const telemetry::TraceBinary binary = telemetry::encode_trace_bin(trace);
    options.metadata.add(telemetry::kGrpcTraceBinHeader,
                         std::string_view(binary.data(), binary.size()));
  }
  return options;
}

Answer ignored() {
  Answer answer;
  answer.outcome = Answer::Outcome::ignored;
  return answer;
}

std::string bulk_message(const BulkDelivery& delivery,
                         std::vector<std::optional<Answer>>& answers) {
  rt::TopicEventBulkRequest message;
  message.set_id(uuid_v4());
  message.set_topic(std::string(delivery.topic));
  message.set_pubsub_name(std::string(delivery.pubsub_name));
  message.set_path(std::string(delivery.path));
  message.set_type(std::string(kBulkEventType));
  for (const auto& [name, value] : delivery.metadata) (*message.mutable_metadata())[name] = value;
  for (std::size_t i = 0; i < delivery.items.size(); ++i) {
    const BulkDelivery::Item& item = delivery.items[i];
    rt::TopicEventBulkRequestEntry entry;
    if (item.event == nullptr) {
      entry.set_bytes(item.entry.event);
    } else if (auto filled = fill(*entry.mutable_cloud_event(), *item.event); !filled) {
      answers[i] = Answer::retry(std::move(filled).error());
      continue;
    }
    entry.set_entry_id(item.entry.entry_id);
    entry.set_content_type(item.entry.content_type);
    for (const auto& [name, value] : item.entry.metadata) (*entry.mutable_metadata())[name] = value;
    *message.add_entries() = std::move(entry);
  }
  return message.SerializeAsString();
}

class GrpcPostman final : public Postman {
 public:
  explicit GrpcPostman(runtime::app::Channel& app) : app_(app) {}

  Task<Answer> deliver(Delivery delivery) override {
    std::string message;
    {
      rt::TopicEventRequest request;
      if (auto filled = fill(request, delivery); !filled) {
        co_return Answer::retry(std::move(filled).error().context(
            "error returned from app while processing pub/sub event"));
      }
      message = request.SerializeAsString();
    }
    auto reply = co_await app_.grpc(std::string(kOnEvent), std::move(message),
                                    options_of(delivery.metadata, delivery.trace));
    const std::string id = delivery.event.text("id");
    if (!reply) co_return failed(id, std::move(reply).error());
    if (reply->status.code == Code::unimplemented) {
      log.warn("non-retriable error returned from app while processing pub/sub event ", id, ": ",
               reply->status.message);
      co_return ignored();
    }
    if (!reply->status.ok()) co_return failed(id, net::grpc::to_error(std::move(reply->status)));
    rt::TopicEventResponse response;
    if (!response.ParseFromString(reply->message)) {
      co_return failed(id, Error(Code::internal, "malformed TopicEventResponse"));
    }
    co_return answer_of(response.status(), id);
  }

  Task<std::vector<Answer>> deliver_bulk(BulkDelivery delivery) override {
    std::vector<std::optional<Answer>> answers(delivery.items.size());
    const std::string message = bulk_message(delivery, answers);
    auto reply = co_await app_.grpc(std::string(kOnBulkEvent), message,
                                    options_of(delivery.metadata, delivery.trace));
    if (reply && reply->status.code == Code::unimplemented) {
      reply = co_await app_.grpc(std::string(kOnBulkEventAlpha), message,
                                 options_of(delivery.metadata, delivery.trace));
    }
    rt::TopicEventBulkResponse response;
    std::optional<Answer> for_all;
    if (!reply) {
      for_all = failed_bulk(std::move(reply).error());
    } else if (reply->status.code == Code::unimplemented) {
      log.warn("non-retriable error returned from app while processing bulk pub/sub event: ",
               reply->status.message);
      for_all = ignored();
    } else if (!reply->status.ok()) {
      for_all = failed_bulk(net::grpc::to_error(std::move(reply->status)));
    } else if (!response.ParseFromString(reply->message)) {
      for_all = failed_bulk(Error(Code::internal, "malformed TopicEventBulkResponse"));
    }
    std::map<std::string_view, int> statuses;
    for (const auto& each : response.statuses()) statuses[each.entry_id()] = each.status();
    std::vector<Answer> out;
    out.reserve(answers.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string& id = delivery.items[i].entry.entry_id;
      if (answers[i]) {
        out.push_back(*std::move(answers[i]));
      } else if (for_all) {
        out.push_back(*for_all);
      } else if (const auto found = statuses.find(id); found != statuses.end()) {
        out.push_back(answer_of(found->second, id));
      } else {
        out.push_back(Answer::retry(
            Error(Code::unknown,
                  "response not received, RETRY required while processing bulk subscribe event for "
                  "entry id: " +
                      id)));
      }
    }
    co_return out;
  }

 private:
  static Answer failed(const std::string& id, Error error) {
    return refused(std::move(error),
                   "error returned from app while processing pub/sub event " + id);
  }
  static Answer failed_bulk(Error error) {
    return refused(std::move(error), "error returned from app while processing bulk pub/sub event");
  }
  static Answer refused(Error error, std::string_view what) {
    const auto code = static_cast<std::int32_t>(error.code());
    return Answer::retry(std::move(error).context(what), code);
  }
  runtime::app::Channel& app_;
};

}  // namespace

std::unique_ptr<Postman> make_grpc_postman(runtime::app::Channel& app) {
  return std::make_unique<GrpcPostman>(app);
}

}  // namespace outrigger::pubsub
