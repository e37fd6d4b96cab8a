#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/sync.h"
#include "runtime/actors/peer_caller.h"

/// What stands for the others in the tests of this folder.
namespace outrigger::runtime::actors::testing {

inline InvocationPtr invocation(std::string id, std::string method, std::string reentrancy = "",
                                bool remote = false) {
  auto call = std::make_shared<Invocation>();
  call->actor = {"cat", std::move(id)};
  call->request.method = std::move(method);
  call->remote = remote;
  if (!reentrancy.empty()) call->request.metadata.add(kReentrancyHeader, reentrancy);
  return call;
}

/// An application: notes what it is told, and lets calls of some methods and timers wait.
class FakeApp final : public Callbacks {
 public:
  Task<Result<Reply>> invoke(InvocationPtr call, std::string reentrancy_id) override {
    const std::string name = call->actor.key() + "/" + call->request.method;
    note("begin " + name);
    ids.push_back(reentrancy_id);
    ++inside[call->actor.key()];
    most = std::max(most, inside[call->actor.key()]);
    const auto ended = co_await pass(call->request.method);
    --inside[call->actor.key()];
    note("end " + name);
    if (!ended) co_return std::unexpected(ended.error());
    if (!refusals.empty()) {
      Error first = std::move(refusals.front());
      refusals.erase(refusals.begin());
      co_return fail(std::move(first));
    }
    Reply reply;
    reply.status = 200;
    if (shows_error) reply.headers.add(kErrorHeader, "true");
    co_return reply;
  }
  Task<Result<Fired>> fire(ReminderPtr reminder, std::string) override {
    note("fire " + reminder->key() + reminder->callback);
    OUT_CO_CHECK(co_await pass(reminder->name));
    if (failing.contains(reminder->name)) co_return fail(Code::unknown, "as the test says");
    co_return unwanted.contains(reminder->name) ? Fired::cancelled : Fired::done;
  }
  Task<Result<>> deactivate(ActorRef actor) override {
    note("deactivate " + actor.key());
    while (slow_to_deactivate) {
      OUT_CO_CHECK(co_await released.wait());
    }
    note("deactivated " + actor.key());
    co_return Result<>();
  }
  void release(const std::string& what) {
    holding.erase(what);
    released.notify_all();
  }
  [[nodiscard]] std::ptrdiff_t count(std::string_view what) const {
    return std::ranges::count(seen, what);
  }
  /// Until that has been noted so many times.
  Task<void> comes(std::string what, std::ptrdiff_t times = 1) {
    while (count(what) < times) {
      [[maybe_unused]] auto woken = co_await told.wait();
    }
  }

  std::vector<std::string> seen, ids;
  std::map<std::string, int> inside;
  int most = 0;
  std::set<std::string> holding;   ///< Methods, timers and reminders that wait for release().
  std::set<std::string> failing;   ///< Timers and reminders.
  std::set<std::string> unwanted;  ///< The same: they are cancelled.
  std::vector<Error> refusals;     ///< How the next methods fail, one after the other.
  bool shows_error = false;        ///< Methods say by a header that they have failed.
  bool slow_to_deactivate = false;
  Signal released;
  Signal told;  ///< Something has been noted.

 private:
  void note(std::string what) {
    seen.push_back(std::move(what));
    told.notify_all();
  }
  Task<Result<>> pass(std::string what) {
    Result<> ended;
    while (holding.contains(what) && ended) ended = co_await released.wait();
    co_return ended;
  }
};

/// The other sidecars: note what they are sent, and answer as the test says.
class FakePeers final : public PeerCaller {
 public:
  Task<Result<Reply>> call(placement::Location where, InvocationPtr call) override {
    OUT_CO_CHECK(co_await take(where.address + "/" + call->request.method));
    Reply reply;
    reply.status = 200;
    co_return reply;
  }
  Task<Result<>> fire(placement::Location where, ReminderPtr reminder) override {
    auto taken = co_await take(where.address + "/" + reminder->name);
    co_return taken;
  }
  /// The next `times` that something is sent there.
  void refuse(const std::string& address, Error why, int times = 1) {
    while (times-- > 0) answers[address].push_back(why);
  }

  std::vector<std::string> sent;
  std::map<std::string, std::vector<Error>> answers;
  /// Called with each thing sent, before its answer.
  std::function<void()> meanwhile = [] {};
  bool hanging = false;
  Signal released;

 private:
  Task<Result<>> take(std::string what) {
    sent.push_back(what);
    meanwhile();
    while (hanging) {
      OUT_CO_CHECK(co_await released.wait());
    }
    auto& errors = answers[what.substr(0, what.find('/'))];
    if (errors.empty()) co_return Result<>();
    Error first = std::move(errors.front());
    errors.erase(errors.begin());
    co_return fail(std::move(first));
  }
};

}  // namespace outrigger::runtime::actors::testing
