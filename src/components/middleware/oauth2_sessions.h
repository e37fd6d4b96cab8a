#pragma once

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.h"

namespace outrigger::components::middleware::oauth2 {

/// The browsers that have logged in, or are about to, by the value of their cookie. Each component
/// (`owner`) has logins of its own in a session. Thread-safe. Sessions end two hours after they
/// began, as upstream's; those without a login are few (kStrangerBytesMax), so that visitors can
/// fill no memory, and the oldest of them make room for new ones.
class Sessions {
 public:
  static constexpr std::chrono::hours kLifetime{2};
  static constexpr std::size_t kStrangerBytesMax = 32U << 20;
  static constexpr std::size_t kLoginsMax = 100'000;
  /// Logins that one browser may have begun at the same time: a page's first requests.
  static constexpr std::size_t kPendingMax = 8;

  /// The one of this process: several components share a browser's one cookie.
  static std::shared_ptr<Sessions> of_process();

  /// What a login of the session put into the header; nullopt if there is none, or no more.
  std::optional<std::string> header(const std::string& id, const std::string& owner, TimePoint now);
  /// Remembers that a browser was sent to log in and where it shall return to. The session's id:
  /// `id` if there is such a session, else a new one.
  std::string begin(const std::string& id, const std::string& owner, std::string state,
                    std::string target, TimePoint now);
  /// Where to return to; a state is good for one return. nullopt for one that was not given.
  std::optional<std::string> take(const std::string& id, const std::string& owner,
                                  std::string_view state, TimePoint now);
  /// Keeps the login for `lifetime`. The session's new id: one that somebody planted before the
  /// login is worth nothing after it. "" if the session has ended meanwhile.
  std::string finish(const std::string& id, const std::string& owner, std::string header,
                     Duration lifetime, TimePoint now);

  /// Sessions that are remembered.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Pending {
    std::string owner, state, target;
  };
  struct Login {
    std::string header;
    TimePoint end;
  };
  struct Session {
    std::string id;
    TimePoint end;
    std::vector<Pending> pending;
    std::map<std::string, Login> logins;
    [[nodiscard]] std::size_t bytes() const noexcept;
  };
  using List = std::list<Session>;

  Session* find(const std::string& id, TimePoint now);
  void erase(List::iterator one);
  void make_room();

  mutable std::mutex mutex_;
  List strangers_, known_;  // The oldest first.
  std::size_t stranger_bytes_ = 0;
  std::unordered_map<std::string, List::iterator> by_id_;
};

}  // namespace outrigger::components::middleware::oauth2
