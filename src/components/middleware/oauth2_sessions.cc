#include "components/middleware/oauth2_sessions.h"

#include <algorithm>

#include "base/base64.h"
#include "base/random.h"

namespace outrigger::components::middleware::oauth2 {
namespace {

constexpr std::size_t kIdBytes = 32;
// Of a session's nodes in the list and the table, roughly.
constexpr std::size_t kNodeBytes = 512;

std::string new_id() {
  return base64_encode(secure_random_bytes(kIdBytes), Base64Alphabet::url, Base64Padding::raw);
}

}  // namespace

std::shared_ptr<Sessions> Sessions::of_process() {
  static const auto kOne = std::make_shared<Sessions>();
  return kOne;
}

std::size_t Sessions::Session::bytes() const noexcept {
  std::size_t sum = kNodeBytes;
  for (const Pending& one : pending) {
    sum += sizeof one + one.owner.size() + one.state.size() + one.target.size();
  }
  return sum;
}

Sessions::Session* Sessions::find(const std::string& id, TimePoint now) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  if (found->second->end > now) return &*found->second;
  erase(found->second);
  return nullptr;
}

void Sessions::erase(List::iterator one) {
  const bool stranger = one->logins.empty();
  if (stranger) stranger_bytes_ -= one->bytes();
  by_id_.erase(one->id);
  (stranger ? strangers_ : known_).erase(one);
}

void Sessions::make_room() {
  while (stranger_bytes_ > kStrangerBytesMax) erase(strangers_.begin());
  while (known_.size() > kLoginsMax) erase(known_.begin());
}

std::optional<std::string> Sessions::header(const std::string& id, const std::string& owner,
                                            TimePoint now) {
  const std::lock_guard lock(mutex_);
  const Session* session = find(id, now);
  if (session == nullptr) return std::nullopt;
  const auto login = session->logins.find(owner);
  if (login == session->logins.end() || login->second.end <= now) return std::nullopt;
  return login->second.header;
}

std::string Sessions::begin(const std::string& id, const std::string& owner, std::string state,
                            std::string target, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Session* session = find(id, now);
  if (session == nullptr) {
    Session made;
    made.id = new_id();
    made.end = now + kLifetime;
    const auto at = strangers_.insert(strangers_.end(), std::move(made));
    by_id_.emplace(at->id, at);
    session = &*at;
    stranger_bytes_ += session->bytes();
  }
  const bool stranger = session->logins.empty();
  if (stranger) stranger_bytes_ -= session->bytes();
  if (session->pending.size() >= kPendingMax) session->pending.erase(session->pending.begin());
  session->pending.push_back({owner, std::move(state), std::move(target)});
  if (stranger) stranger_bytes_ += session->bytes();
  std::string kept = session->id;
  make_room();
  return kept;
}

std::optional<std::string> Sessions::take(const std::string& id, const std::string& owner,
                                          std::string_view state, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Session* session = find(id, now);
  if (session == nullptr) return std::nullopt;
  const auto found = std::ranges::find_if(session->pending, [&](const Pending& one) {
    return one.owner == owner && one.state == state;
  });
  if (found == session->pending.end()) return std::nullopt;
  std::string target = found->target;
  if (session->logins.empty()) stranger_bytes_ -= session->bytes();
  session->pending.erase(found);
  if (session->logins.empty()) stranger_bytes_ += session->bytes();
  return target;
}

std::string Sessions::finish(const std::string& id, const std::string& owner, std::string header,
                             Duration lifetime, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const Session* old = find(id, now);
  if (old == nullptr) return "";
  Session session = *old;
  erase(by_id_.at(id));
  session.id = new_id();
  session.end = now + kLifetime;
  session.logins[owner] = {std::move(header), now + std::min<Duration>(lifetime, kLifetime)};
  const auto at = known_.insert(known_.end(), std::move(session));
  by_id_.emplace(at->id, at);
  std::string kept = at->id;
  make_room();
  return kept;
}

std::size_t Sessions::size() const {
  const std::lock_guard lock(mutex_);
  return by_id_.size();
}

}  // namespace outrigger::components::middleware::oauth2
