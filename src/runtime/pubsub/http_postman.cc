#include <map>

#include "base/base64.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "net/uri.h"
#include "runtime/app/counted.h"
#include "runtime/pubsub/postman.h"

namespace outrigger::pubsub {
namespace {

const Logger log("dapr.runtime.processor.pubsub.subscription.http");

// More of an answer is not looked at.
constexpr std::size_t kAnswerBytesMax = std::size_t{4} << 20;
// Of an answer that is quoted in the log.
constexpr std::size_t kQuotedBytesMax = 1000;

bool is_token(std::string_view name) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  if (name.empty()) return false;
  for (const char c : name) {
    const bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      kMarks.find(c) != std::string_view::npos;
    if (!fine) return false;
  }
  return true;
}

bool is_field_value(std::string_view value) noexcept {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) return false;
  }
  return true;
}

// Those that are ours to set, and what must not cross a hop.
bool is_reserved(std::string_view name) noexcept {
  constexpr std::string_view kNames[] = {"content-type",
                                         "content-length",
                                         "host",
                                         "connection",
                                         "keep-alive",
                                         "proxy-connection",
                                         "te",
                                         "transfer-encoding",
                                         "upgrade",
                                         "http2-settings",
                                         "trailer",
                                         "proxy-authorization",
                                         "proxy-authenticate",
                                         "destination-app-id",
                                         "traceparent",
                                         "tracestate",
                                         "grpc-trace-bin"};
  for (const std::string_view each : kNames) {
    if (equals_fold(name, each)) return true;
  }
  return name.size() >= 4 && equals_fold(name.substr(name.size() - 4), "-bin");
}

// The path of a rule as a request target.
std::string target_of(std::string_view path) {
  std::string clean = net::clean_path(path);
  if (clean == ".") clean.clear();
  std::string target;
  target.reserve(clean.size() + 1);
  if (!clean.starts_with('/')) target += '/';
  for (const char c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F) {
      target += c;
    } else {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      target += '%';
      target += kHex[byte >> 4];
      target += kHex[byte & 15];
    }
  }
  return target;
}

net::Request make_request(std::string_view path, std::string body, std::string_view content_type,
                          const Properties& metadata, const telemetry::TraceContext& trace) {
  net::Request request;
  request.method = "POST";
  request.target = target_of(path);
  request.content_length = body.size();
  request.body = std::move(body);
  request.headers.reserve(metadata.size() + 3, 256);
  for (const auto& [name, value] : metadata) {
    // What cannot be a header is left out: it would break the request for good.
    if (is_token(name) && is_field_value(value) && !is_reserved(name)) {
      request.headers.add(name, value);
    }
  }
  request.headers.set("Content-Type", content_type);
  // Also without a trace, as upstream: then it is all zero.
  request.headers.set("traceparent", telemetry::format_traceparent(trace));
  if (!trace.state.empty()) request.headers.set("tracestate", trace.state);
  return request;
}

// The `status` of an answer, as Go's decoder finds it; nullopt if the answer says nothing.
std::optional<std::string> status_in(std::string_view body) {
  const auto value = json::first_value(body);
  if (!value || json::type_of(*value) != json::Type::object) return std::nullopt;
  std::optional<std::string> status;
  json::ObjectReader members(*value);
  while (members.next()) {
    if (!members.key_is("status") || json::type_of(members.value()) == json::Type::null) continue;
    status = json::string_value(members.value());
    if (!status) return std::nullopt;
  }
  return status;
}

Answer read_answer(const Delivery& delivery, std::string_view body) {
  const auto status = status_in(body);
  if (!status || status->empty() || *status == "SUCCESS") return {};
  const std::string id = delivery.event.text("id");
  if (*status == "DROP") {
    log.warn("DROP status returned from app while processing pub/sub event ", id);
    return {Answer::Outcome::drop, "success", {}};
  }
  const std::string what =
      *status == "RETRY" ? "RETRY status returned from app while processing pub/sub event " + id
                         : "unknown status returned from app while processing pub/sub event " + id +
                               ", status: " + *status;
  return Answer::retry(Error(Code::unknown, what));
}

Answer read_failure(const Delivery& delivery, int status, std::string_view body) {
  const std::string id = delivery.event.text("id");
  const std::string_view quoted = body.substr(0, kQuotedBytesMax);
  if (status == 404) {
    log.error("non-retriable error returned from app while processing pub/sub event ", id, ": ",
              quoted, ". status code returned: ", status);
    return {Answer::Outcome::drop, "", {}};
  }
  Error error(Code::unknown, "retriable error returned from app while processing pub/sub event " +
                                 id + ", topic: " + std::string(delivery.topic) +
                                 ", body: " + std::string(quoted) +
                                 ". status code returned: " + std::to_string(status));
  log.warn(error);
  return Answer::retry(std::move(error), status);
}

void write_properties(json::Writer& out, const Properties& properties) {
  out.begin_object();
  for (const auto& [name, value] : properties) out.member(name, value);
  out.end_object();
}

void write_item(json::Writer& out, const BulkDelivery::Item& item) {
  const auto& entry = item.entry;
  out.begin_object().member("entryId", entry.entry_id).key("event");
  if (item.event != nullptr) {
    out.raw(item.event->body());
  } else {
    out.value(base64_encode(entry.event));
  }
  out.key("metadata");
  if (entry.metadata.empty()) {
    out.null();
  } else {
    write_properties(out, entry.metadata);
  }
  std::string_view content_type = entry.content_type;
  if (content_type.empty()) {
    content_type =
        item.event != nullptr ? "application/cloudevents+json" : "application/octet-stream";
  }
  out.member("contentType", content_type).end_object();
}

std::string bulk_body(const BulkDelivery& delivery) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("entries").begin_array();
  for (const BulkDelivery::Item& item : delivery.items) write_item(out, item);
  out.end_array().member("id", uuid_v4()).key("metadata");
  write_properties(out, delivery.metadata);
  out.member("pubsubname", delivery.pubsub_name).member("topic", delivery.topic);
  out.member("type", kBulkEventType).end_object();
  return body;
}

// entryId to status, of the entries that the answer names; nullopt if it is no such answer.
std::optional<std::map<std::string, std::string>> statuses_in(std::string_view body) {
  const auto value = json::first_value(body);
  if (!value || json::type_of(*value) != json::Type::object) return std::nullopt;
  std::map<std::string, std::string> found;
  json::ObjectReader members(*value);
  while (members.next()) {
    if (!members.key_is("statuses") || json::type_of(members.value()) == json::Type::null) continue;
    if (json::type_of(members.value()) != json::Type::array) return std::nullopt;
    json::ArrayReader elements(members.value());
    while (elements.next()) {
      if (json::type_of(elements.value()) != json::Type::object) return std::nullopt;
      std::string id;
      std::string status;
      json::ObjectReader fields(elements.value());
      while (fields.next()) {
        if (fields.key_is("entryId")) id = json::string_value(fields.value()).value_or("");
        if (fields.key_is("status")) status = json::string_value(fields.value()).value_or("");
      }
      found.insert_or_assign(std::move(id), std::move(status));
    }
  }
  return found;
}

Answer entry_answer(const std::map<std::string, std::string>& statuses, const std::string& id) {
  const auto found = statuses.find(id);
  if (found == statuses.end()) {
    return Answer::retry(Error(
        Code::unknown,
        "response not received, RETRY required while processing bulk subscribe event for entry "
        "id: " +
            id));
  }
  if (found->second == "SUCCESS") return {};
  if (found->second == "DROP") {
    log.warn("DROP status returned from app while processing pub/sub event ", id);
    return {Answer::Outcome::drop, "success", {}};
  }
  if (found->second.empty() || found->second == "RETRY") {
    return Answer::retry(Error(
        Code::unknown, "RETRY required while processing bulk subscribe event for entry id: " + id));
  }
  return Answer::retry(Error(
      Code::unknown, "unknown status returned from app while processing bulk subscribe event " +
                         id + ": " + found->second));
}

class HttpPostman final : public Postman {
 public:
  explicit HttpPostman(runtime::app::Channel& app) : app_(app) {}

  Task<Answer> deliver(Delivery delivery) override {
    auto request = make_request(delivery.path, delivery.event.body(),
                                "application/cloudevents+json", delivery.metadata, delivery.trace);
    std::string name(delivery.path);
    auto response = co_await runtime::app::http_counted(app_, std::move(name), std::move(request));
    if (!response) co_return unreachable(std::move(response).error());
    const int status = response->status;
    auto body = co_await response->body.read_all(kAnswerBytesMax);
    // An answer that breaks off after a good head: the application has done its part, but what it
    // wanted is not known.
    const bool good = status >= 200 && status <= 299;
    if (!body && good && body.error().code() != Code::resource_exhausted) {
      co_return unreachable(std::move(body).error());
    }
    const std::string text = body ? *std::move(body) : std::string();
    if (good) co_return read_answer(delivery, text);
    co_return read_failure(delivery, status, text);
  }

  Task<std::vector<Answer>> deliver_bulk(BulkDelivery delivery) override {
    const std::size_t count = delivery.items.size();
    auto request = make_request(delivery.path, bulk_body(delivery), "application/json",
                                delivery.metadata, delivery.trace);
    std::string name(delivery.path);
    auto response = co_await runtime::app::http_counted(app_, std::move(name), std::move(request));
    if (!response) {
      co_return answer_all(count,
                           Answer::retry(std::move(response).error().context(
                               "error from app channel while sending pub/sub event to app")));
    }
    const int status = response->status;
    auto body = co_await response->body.read_all(kAnswerBytesMax);
    if (status == 404) {
      log.error(
          "Non-retriable error returned from app while processing bulk pub/sub event. status "
          "code returned: ",
          status);
      Answer ignored;
      ignored.outcome = Answer::Outcome::ignored;
      co_return answer_all(count, ignored);
    }
    if (status < 200 || status > 299) {
      Error error(Code::unknown,
                  "Retriable error returned from app while processing bulk pub/sub event, topic: " +
                      std::string(delivery.topic) +
                      ". status code returned: " + std::to_string(status));
      log.warn(error);
      co_return answer_all(count, Answer::retry(std::move(error), status));
    }
    const auto statuses = body ? statuses_in(*body) : std::nullopt;
    if (!statuses) {
      Error error(Code::unknown, "failed unmarshalling app response for bulk subscribe");
      co_return answer_all(count, Answer::retry(std::move(error)));
    }
    std::vector<Answer> answers;
    answers.reserve(count);
    for (const auto& item : delivery.items) {
      answers.push_back(entry_answer(*statuses, item.entry.entry_id));
    }
    co_return answers;
  }

 private:
  static Answer unreachable(Error error) {
    return Answer::retry(std::move(error).context(
        "error returned from app channel while sending pub/sub event to app"));
  }
  runtime::app::Channel& app_;
};

}  // namespace

std::vector<Answer> answer_all(std::size_t count, const Answer& answer) {
  std::vector<Answer> answers;
  answers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) answers.push_back(answer);
  return answers;
}

std::unique_ptr<Postman> make_http_postman(runtime::app::Channel& app) {
  return std::make_unique<HttpPostman>(app);
}

}  // namespace outrigger::pubsub
