#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/scheduler/engine.h"
#include "net/pipe.h"

namespace mvccpb {
class KeyValue;
}

namespace outrigger::control::scheduler {

/// Jobs in keys as etcd has them.
inline constexpr std::string_view kJobKeys = "dapr/jobs/";

/// A record as clients of etcd see it.
struct EtcdRecord {
  std::string key;
  std::string value;
  std::int64_t revision = 0;

  /// What it takes of memory, about.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(EtcdRecord) + key.size() + value.size();
  }
};
void write_record(EtcdRecord record, mvccpb::KeyValue& out);

/// What of the records in a range is wanted.
struct Wanted {
  std::size_t limit = 0;  ///< 0: all.
  bool last = false;      ///< The last ones, backwards.
  bool keys = true;
  bool values = true;

  [[nodiscard]] bool full(std::size_t count) const { return limit > 0 && count >= limit; }
};

/// What does not fit where it must be held as a whole.
std::unexpected<Error> too_large();

/// An error if nobody waits for what the running task does: each of the many writes that a call may
/// ask for is done as a whole, but not all of them.
Task<Result<>> still_wanted();

/// So many writes of a call are under way at once, and share a flush of the store.
inline constexpr std::size_t kWritingMax = 100;

/// Takes the records of a range one after the other.
class Sink {
 public:
  explicit Sink(Wanted wanted) : wanted_(wanted) {}
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Waits until it can do with a page of records.
  virtual Task<Result<>> await_room() { co_return Result<>(); }
  /// In the order of keys. `render` gives the value.
  template <class Render>
  void add(std::string key, JobId revision, const Render& render) {
    ++count_;
    if (!wanted_.keys || (wanted_.full(count_ - 1) && !wanted_.last)) return;
    EtcdRecord record{.key = std::move(key), .revision = static_cast<std::int64_t>(revision)};
    if (wanted_.values) record.value = render();
    take(std::move(record));
  }
  /// Deals with what has been added, a page of the store: nothing of it is held any more but in
  /// this object.
  virtual Task<Result<>> flush() = 0;

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool more() const noexcept {
    return wanted_.keys && wanted_.limit > 0 && count_ > wanted_.limit;
  }

 protected:
  virtual void take(EtcdRecord record) = 0;
  const Wanted wanted_;

 private:
  std::size_t count_ = 0;
};

/// Keeps them, up to so many bytes: flush() fails with Code::resource_exhausted above.
class Finding final : public Sink {
 public:
  Finding(Wanted wanted, std::size_t bytes_max) : Sink(wanted), bytes_max_(bytes_max) {}

  Task<Result<>> flush() override;
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  std::deque<EtcdRecord> records();

 private:
  void take(EtcdRecord record) override;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<EtcdRecord> records_;
};

/// Finds out how many bytes they are in an answer.
class Measuring final : public Sink {
 public:
  using Sink::Sink;
  Task<Result<>> flush() override { co_return Result<>(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  void take(EtcdRecord record) override;
  std::uint64_t bytes_ = 0;
};

/// Sends them, in an answer of a length that was told before: the fields of a RangeResponse. Of
/// what the client does not take it holds what fits in the pipe, and a page.
class Sending final : public Sink {
 public:
  Sending(Wanted wanted, std::shared_ptr<net::Pipe> pipe, std::uint64_t length, Duration unread_max)
      : Sink(wanted), pipe_(std::move(pipe)), left_(length), unread_max_(unread_max) {}

  /// What is no record.
  void append(std::string_view bytes);
  /// Code::deadline_exceeded if the client takes nothing for too long.
  Task<Result<>> await_room() override;
  Task<Result<>> flush() override;
  /// Fills the rest with a field that readers pass over.
  Task<Result<>> fill();

 private:
  void take(EtcdRecord record) override;

  std::shared_ptr<net::Pipe> pipe_;
  std::uint64_t left_;
  const Duration unread_max_;
  Result<> fits_;
};

/// Deletes the jobs among them.
class Removing final : public Sink {
 public:
  explicit Removing(Engine& engine) : Sink(Wanted{.values = false}), engine_(engine) {}

  Task<Result<>> flush() override;
  [[nodiscard]] std::int64_t removed() const noexcept { return removed_; }

 private:
  void take(EtcdRecord record) override;
  Task<void> remove(std::string name);

  Engine& engine_;
  std::vector<std::string> names_;
  std::int64_t removed_ = 0;
  Result<> failed_;
};

}  // namespace outrigger::control::scheduler
