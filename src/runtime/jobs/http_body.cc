#include "runtime/jobs/http_body.h"

#include <charconv>
#include <cmath>
#include <set>

#include "base/json.h"
#include "runtime/jobs/any_json.h"

namespace outrigger::runtime::jobs {
namespace {

using scheduler::FailurePolicy;

// Of google.protobuf.Duration.
constexpr std::int64_t kDurationSecondsMax = 315'576'000'000;

/// Where text stands in the body that it is part of: "line 1:14".
std::string place(std::string_view body, std::string_view part) {
  const auto offset = static_cast<std::size_t>(part.data() - body.data());
  const std::string_view before = body.substr(0, std::min(offset, body.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto start = before.rfind('\n');
  const std::size_t column = start == std::string_view::npos ? offset + 1 : offset - start;
  return "line " + std::to_string(line) + ":" + std::to_string(column);
}

std::optional<std::uint32_t> uint32_of(std::string_view raw) {
  const auto text = json::string_value(raw);
  const std::string_view digits = text ? std::string_view(*text) : raw;
  if (json::type_of(digits) != json::Type::number || !json::is_valid(digits)) return std::nullopt;
  // 1e2 and 7.0 are whole numbers too.
  const auto number = json::double_value(digits);
  if (!number || *number < 0 || *number > UINT32_MAX || *number != std::floor(*number)) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*number);
}

template <class Number>
bool parse_digits(std::string_view digits, Number& number) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size();
}

// "3s", "-1.5s"; at most nine digits behind the point.
std::optional<FailurePolicy::Interval> interval_of(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string fraction(point == std::string_view::npos ? "" : text.substr(point + 1));
  if ((whole.empty() && fraction.empty()) || fraction.size() > 9) return std::nullopt;
  if (whole.empty()) whole = "0";
  fraction.resize(9, '0');
  std::uint64_t seconds = 0;
  std::uint32_t nanos = 0;
  if (!parse_digits(whole, seconds) || !parse_digits(fraction, nanos)) return std::nullopt;
  if (seconds > kDurationSecondsMax) return std::nullopt;
  FailurePolicy::Interval interval{static_cast<std::int64_t>(seconds),
                                   static_cast<std::int32_t>(nanos)};
  if (negative) interval = {-interval.seconds, -interval.nanos};
  return interval;
}

/// Reads one body; keeps what was wrong first.
class Reader {
 public:
  explicit Reader(std::string_view body) : body_(body) {}

  Result<Scheduling> read() {
    Scheduling out;
    each_field(body_, [&](std::string_view key, std::string_view raw) { top(out, key, raw); });
    if (wrong_) {
      return fail(Error(Code::invalid_argument, "ERR_MALFORMED_REQUEST",
                        "failed deserializing HTTP body: proto: " + *wrong_)
                      .with_http_status(400));
    }
    return out;
  }

 private:
  /// Visits the members that are not null. `canonical`: the names in both spellings.
  template <class Visit>
  void each_field(std::string_view object, Visit visit) {
    std::set<std::string, std::less<>> seen;
    json::ObjectReader members(object);
    while (!wrong_ && members.next()) {
      std::string key = canonical(members.key());
      const bool data = key == "data";  // Whose null is a value.
      if (!data && json::type_of(members.value()) == json::Type::null) continue;
      if (is_known(key) && !seen.insert(key).second) {
        refuse(members.value(), "duplicate field \"" + std::string(members.key()) + "\"");
        return;
      }
      visit(key, members.value());
    }
    if (!wrong_ && !members.ok()) wrong_ = "syntax error (" + place(body_, object) + ")";
  }

  static std::string canonical(std::string_view key) {
    if (key == "dueTime") return "due_time";
    if (key == "failurePolicy") return "failure_policy";
    if (key == "maxRetries") return "max_retries";
    return std::string(key);
  }
  static bool is_known(std::string_view key) {
    constexpr std::string_view kKeys[] = {
        "name",      "schedule", "repeats",        "due_time", "ttl",      "data",
        "overwrite", "drop",     "failure_policy", "constant", "interval", "max_retries"};
    return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
  }

  void top(Scheduling& out, std::string_view key, std::string_view raw) {
    if (key == "name") {
      text(key, raw, out.name);
    } else if (key == "schedule") {
      text(key, raw, out.job.schedule.emplace());
    } else if (key == "due_time") {
      text(key, raw, out.job.due_time.emplace());
    } else if (key == "ttl") {
      text(key, raw, out.job.ttl.emplace());
    } else if (key == "repeats") {
      out.job.repeats = number(key, raw);
    } else if (key == "data") {
      data(raw, out.job.data);
    } else if (key == "overwrite") {
      const auto value = json::bool_value(raw);
      if (!value) return mistyped("bool", key, raw);
      out.overwrite = *value;
    } else if (key == "failure_policy") {
      each_field(raw, [&](std::string_view name, std::string_view value) {
        policy(out.job.failure_policy.emplace(out.job.failure_policy.value_or(FailurePolicy())),
               name, value);
      });
      if (!out.job.failure_policy) out.job.failure_policy.emplace();
    }
  }

  void policy(FailurePolicy& out, std::string_view key, std::string_view raw) {
    if (key != "drop" && key != "constant") return;
    if (out.kind != FailurePolicy::Kind::unset) {
      return refuse(raw, "error parsing \"" + std::string(key) +
                             "\", oneof dapr.proto.common.v1.JobFailurePolicy.policy is already "
                             "set");
    }
    out.kind = key == "drop" ? FailurePolicy::Kind::drop : FailurePolicy::Kind::constant;
    each_field(raw, [&](std::string_view name, std::string_view value) {
      if (out.kind == FailurePolicy::Kind::constant) constant(out, name, value);
    });
  }

  void constant(FailurePolicy& out, std::string_view key, std::string_view raw) {
    if (key == "max_retries") {
      out.retries_max = number(key, raw);
    } else if (key == "interval") {
      const auto value = json::string_value(raw);
      const auto interval = value ? interval_of(*value) : std::nullopt;
      if (!interval)
        return refuse(raw, "invalid google.protobuf.Duration value " + std::string(raw));
      out.interval = *interval;
    }
  }

  void text(std::string_view key, std::string_view raw, std::string& out) {
    auto value = json::string_value(raw);
    if (!value) return mistyped("string", key, raw);
    out = *std::move(value);
  }
  std::optional<std::uint32_t> number(std::string_view key, std::string_view raw) {
    const auto value = uint32_of(raw);
    if (!value) mistyped("uint32", key, raw);
    return value;
  }
  void data(std::string_view raw, std::optional<scheduler::Any>& out) {
    auto any = value_any(raw);
    if (!any) return refuse(raw, any.error().message());
    out = *std::move(any);
  }

  void mistyped(std::string_view type, std::string_view key, std::string_view raw) {
    refuse(raw, "invalid value for " + std::string(type) + " field " + std::string(key) + ": " +
                    std::string(raw));
  }
  void refuse(std::string_view raw, const std::string& why) {
    if (!wrong_) wrong_ = "(" + place(body_, raw) + "): " + why;
  }

  std::string_view body_;
  std::optional<std::string> wrong_;
};

void write_policy(json::Writer& out, const FailurePolicy& policy) {
  out.key("failurePolicy").begin_object();
  if (policy.kind == FailurePolicy::Kind::drop) out.key("drop").begin_object().end_object();
  if (policy.kind == FailurePolicy::Kind::constant) {
    out.key("constant").begin_object();
    if (policy.interval) {
      out.member("interval", duration_json(policy.interval->seconds, policy.interval->nanos));
    }
    if (policy.retries_max) out.member("maxRetries", *policy.retries_max);
    out.end_object();
  }
  out.end_object();
}

}  // namespace

Result<Scheduling> read_scheduling(std::string_view body) {
  if (body.empty()) return Scheduling();
  return Reader(body).read();
}

Result<std::string> job_json(const NamedJob& named) {
  const scheduler::Job& job = named.job;
  std::string body;
  json::Writer out(body, json::Html::keep);
  out.begin_object();
  if (!named.name.empty()) out.member("name", named.name);
  if (job.schedule) out.member("schedule", *job.schedule);
  if (job.repeats) out.member("repeats", *job.repeats);
  if (job.due_time) out.member("dueTime", *job.due_time);
  if (job.ttl) out.member("ttl", *job.ttl);
  if (job.data) {
    OUT_TRY(const auto data, any_json(*job.data));
    out.raw_member("data", data);
  }
  if (job.failure_policy) write_policy(out, *job.failure_policy);
  out.end_object();
  return body;
}

}  // namespace outrigger::runtime::jobs
