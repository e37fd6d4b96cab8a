#include "control/placement/rounds.h"

#include <algorithm>

#include "base/duration.h"

namespace outrigger::control::placement {
namespace {

bool same_host(const HostReport& a, const HostReport& b) {
  return a.entities == b.entities && a.id == b.id && a.app_namespace == b.app_namespace &&
         a.name == b.name && a.port == b.port;
}

// Lock, update and unlock.
constexpr int kStepsOfARound = 3;

}  // namespace

void Rounds::add(StreamId id, HostReport host, TimePoint now) {
  if (step_ != Step::report || coalescing_until_) {
    waiting_.push_back({.id = id, .host = std::move(host)});
    return;
  }
  admit(id, std::move(host));
  if (changed_) return begin_round(now);
  send_own_tables(id, streams_.at(id));
}

void Rounds::admit(StreamId id, HostReport host) { set_host(streams_[id], std::move(host)); }

// Keeps count of the hosts of actors, and of whether the tables change.
void Rounds::set_host(Stream& stream, HostReport host) {
  const bool had = !stream.host.entities.empty();
  const bool has = !host.entities.empty();
  if ((had || has) && !same_host(stream.host, host)) changed_ = true;
  actor_streams_ += static_cast<std::size_t>(has);
  actor_streams_ -= static_cast<std::size_t>(had);
  stream.host = std::move(host);
}

void Rounds::report(StreamId id, HostReport host, TimePoint now) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) {
    const auto waiting = std::ranges::find(waiting_, id, &Waiting::id);
    if (waiting != waiting_.end() && host.step.value_or(Step::report) == Step::report) {
      waiting->host = std::move(host);
    }
    return;
  }
  Stream& stream = found->second;
  if (host.version && *host.version < version_) return;
  if (answers_own_tables(stream, host)) return;
  const Step step = host.step.value_or(step_);
  if (step == Step::report) return take_report(id, stream, std::move(host), now);
  if (step == step_) take_answer(stream, now);
}

// An answer of the old kind has no version, and could also be a report: what it answers is known
// from how many orders were sent.
bool Rounds::answers_own_tables(Stream& stream, const HostReport& message) {
  if (!stream.own_tables || message.step == Step::report) return false;
  if (message.step) {
    if (message.version != stream.own_tables) return false;
    if (message.step == Step::unlock) stream.own_tables.reset();
    return true;
  }
  if (!same_host(stream.host, message)) return false;
  if (++stream.own_answers >= kStepsOfARound) stream.own_tables.reset();
  return true;
}

void Rounds::take_report(StreamId id, Stream& stream, HostReport host, TimePoint now) {
  const bool asks = host.step.has_value() || !stream.has_tables;
  set_host(stream, std::move(host));
  if (step_ != Step::report || coalescing_until_) return;
  if (changed_) return begin_round(now);
  // What is on its way to it already is the same.
  if (stream.own_tables == version_) return;
  if (asks && stream.host.entities.empty()) send_own_tables(id, stream);
}

void Rounds::take_answer(Stream& stream, TimePoint now) {
  if (stream.answered) return;
  stream.spent = owed(stream, now);
  stream.answered = true;
  if (--missing_ == 0) advance(now);
}

void Rounds::remove(StreamId id, TimePoint now) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) {
    const auto waiting = std::ranges::find(waiting_, id, &Waiting::id);
    if (waiting == waiting_.end()) return;
    // Upstream's round after the window is held for those too who have gone meanwhile.
    if (coalescing_until_ && !waiting->host.entities.empty()) changed_ = true;
    waiting_.erase(waiting);
    return;
  }
  const bool was_missing = step_ != Step::report && !found->second.answered;
  set_host(found->second, {});
  streams_.erase(found);
  if (was_missing && --missing_ == 0) return advance(now);
  if (step_ == Step::report && !coalescing_until_ && changed_) begin_round(now);
}

void Rounds::begin_round(TimePoint now) {
  changed_ = false;
  ++version_;
  for (auto& [id, stream] : streams_) stream.own_tables.reset();
  enter(Step::lock, now);
}

void Rounds::enter(Step step, TimePoint now) {
  step_ = step;
  missing_ = streams_.size();
  if (missing_ == 0) return finish(now);
  for (auto& [id, stream] : streams_) {
    // Who still owes an answer to the round before goes on owing it.
    if (stream.answered) stream.owes_since = now;
    stream.answered = false;
    stream.has_tables = true;
    actions_.push_back({.stream = id, .order = step, .version = version_, .end = {}});
  }
  look_ahead();
}

void Rounds::advance(TimePoint now) {
  if (step_ == Step::lock) {
    changed_ = false;  // These tables have it all.
    return enter(Step::update, now);
  }
  if (step_ == Step::update) return enter(Step::unlock, now);
  finish(now);
}

void Rounds::finish(TimePoint now) {
  step_ = Step::report;
  for (auto& [id, stream] : streams_) stream.spent = Duration::zero();
  if (rules_.coalesce_window > Duration::zero()) {
    coalescing_until_ = now + rules_.coalesce_window;
    return;
  }
  admit_waiting(now);
}

void Rounds::admit_waiting(TimePoint now) {
  const std::deque<Waiting> arrived = std::exchange(waiting_, {});
  for (const Waiting& waiting : arrived) admit(waiting.id, waiting.host);
  if (changed_ && !streams_.empty()) return begin_round(now);
  for (const Waiting& waiting : arrived) send_own_tables(waiting.id, streams_.at(waiting.id));
}

void Rounds::send_own_tables(StreamId id, Stream& stream) {
  stream.own_tables = version_;
  stream.own_answers = 0;
  stream.has_tables = true;
  for (const Step step : {Step::lock, Step::update, Step::unlock}) {
    actions_.push_back({.stream = id, .order = step, .version = version_, .end = {}});
  }
}

void Rounds::on_time(TimePoint now) {
  if (coalescing_until_ && now >= *coalescing_until_) {
    coalescing_until_.reset();
    admit_waiting(now);
  } else if (step_ != Step::report && now >= deadline_) {
    expire(now);
  }
}

// Who has used its time up is ended; with all the others, and who waits, it begins anew.
void Rounds::expire(TimePoint now) {
  std::vector<StreamId> late;
  for (const auto& [id, stream] : streams_) {
    if (!stream.answered && owed(stream, now) >= rules_.timeout) late.push_back(id);
  }
  if (late.empty()) return look_ahead();
  const std::string message = "dissemination timeout after " + format_duration(rules_.timeout) +
                              " for version " + std::to_string(version_);
  for (const StreamId id : late) {
    set_host(streams_.at(id), {});
    streams_.erase(id);
    actions_.push_back({.stream = id, .end = Error(Code::deadline_exceeded, message)});
  }
  for (auto& [id, stream] : streams_) {
    if (stream.answered) stream.spent = Duration::zero();
  }
  step_ = Step::report;
  changed_ = true;
  admit_waiting(now);
}

Duration Rounds::owed(const Stream& stream, TimePoint now) const {
  return stream.answered ? stream.spent : stream.spent + (now - stream.owes_since);
}

void Rounds::look_ahead() {
  deadline_ = TimePoint::max();
  for (const auto& [id, stream] : streams_) {
    if (stream.answered) continue;
    deadline_ = std::min(deadline_, stream.owes_since + (rules_.timeout - stream.spent));
  }
}

std::optional<TimePoint> Rounds::deadline() const {
  if (coalescing_until_) return coalescing_until_;
  if (step_ == Step::report) return std::nullopt;
  return deadline_;
}

std::vector<Rounds::Action> Rounds::take_actions() { return std::exchange(actions_, {}); }

std::vector<const HostReport*> Rounds::hosts() const {
  std::vector<const HostReport*> hosts;
  for (const auto& [id, stream] : streams_) {
    if (!stream.host.entities.empty()) hosts.push_back(&stream.host);
  }
  return hosts;
}

}  // namespace outrigger::control::placement
