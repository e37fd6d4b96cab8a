#include "dapr/proto/internals/v1/reminders.pb.h"
#include "runtime/actors/peer_caller.h"

namespace outrigger::runtime::actors {
namespace {

namespace pb = dapr::proto::internals::v1;
using google::protobuf::Timestamp;

void set_time(Timestamp& into, WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  into.set_seconds(seconds.time_since_epoch().count());
  into.set_nanos(static_cast<std::int32_t>((time - seconds).count()));
}

/// nullopt for the zero time of Go, and for what WallTime cannot hold.
std::optional<WallTime> time_of(const Timestamp& time) {
  constexpr std::int64_t kSecondsMax = 9'000'000'000;
  if (time.seconds() <= 0 || time.seconds() > kSecondsMax) return std::nullopt;
  if (time.nanos() < 0 || time.nanos() > 999'999'999) return std::nullopt;
  return WallTime(std::chrono::seconds(time.seconds()) + std::chrono::nanoseconds(time.nanos()));
}

// What Go's zero time is on the wire.
constexpr std::int64_t kGoZeroSeconds = -62'135'596'800;

}  // namespace

std::string encode_reminder(const Reminder& reminder) {
  pb::Reminder message;
  message.set_actor_id(reminder.actor.id);
  message.set_actor_type(reminder.actor.type);
  message.set_name(reminder.name);
  if (reminder.data) {
    message.mutable_data()->set_type_url(reminder.data->type_url);
    message.mutable_data()->set_value(reminder.data->value);
  }
  message.set_period(reminder.period);
  message.set_due_time(reminder.due_time);
  set_time(*message.mutable_registered_time(), reminder.registered);
  if (reminder.expires) {
    set_time(*message.mutable_expiration_time(), *reminder.expires);
  } else {
    message.mutable_expiration_time()->set_seconds(kGoZeroSeconds);
  }
  message.set_is_timer(reminder.is_timer);
  message.set_skip_lock(reminder.skip_lock);
  return message.SerializeAsString();
}

Result<Reminder> decode_reminder(const std::string& bytes) {
  pb::Reminder message;
  if (!message.ParseFromString(bytes)) {
    return fail(Code::internal, "grpc: error unmarshalling request: malformed Reminder");
  }
  Reminder reminder;
  reminder.actor = {std::move(*message.mutable_actor_type()),
                    std::move(*message.mutable_actor_id())};
  reminder.name = std::move(*message.mutable_name());
  if (message.has_data()) {
    reminder.data.emplace();
    reminder.data->type_url = std::move(*message.mutable_data()->mutable_type_url());
    reminder.data->value = std::move(*message.mutable_data()->mutable_value());
  }
  reminder.period = std::move(*message.mutable_period());
  reminder.due_time = std::move(*message.mutable_due_time());
  reminder.registered = time_of(message.registered_time()).value_or(WallTime());
  reminder.expires = time_of(message.expiration_time());
  reminder.is_timer = message.is_timer();
  reminder.skip_lock = message.skip_lock();
  reminder.remote = true;
  return reminder;
}

}  // namespace outrigger::runtime::actors
