#pragma once

#include "base/result.h"

namespace outrigger {

/// A request to stop, passed down a tree of tasks. Bound to one loop, so it has no lock. A task
/// that awaits another hands its cancellation on; leaf waits (sync.h, timers, network) register a
/// Callback and end with `error()` when it is requested.
class Cancellation {
 public:
  /// What runs, once, when the cancellation is requested. Unlinks itself when destroyed.
  class Callback {
   public:
    Callback() = default;
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;
    virtual void on_cancel() noexcept = 0;
    void unlink() noexcept;
    [[nodiscard]] bool linked() const noexcept { return owner_ != nullptr; }

   protected:
    ~Callback() { unlink(); }

   private:
    friend class Cancellation;
    Cancellation* owner_ = nullptr;
    Callback* previous_ = nullptr;
    Callback* next_ = nullptr;
  };

  Cancellation() = default;
  /// Also requested when `parent` is (nullptr: no parent). Whichever dies first leaves the other.
  explicit Cancellation(Cancellation* parent);
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;
  ~Cancellation();

  /// Runs the callbacks; the first reason stays. Idempotent.
  void request(Code reason = Code::cancelled) noexcept;
  [[nodiscard]] bool requested() const noexcept { return reason_ != Code::ok; }
  /// The error a cancelled wait ends with: the reason and a short text.
  [[nodiscard]] Error error() const;
  void add(Callback& callback) noexcept;

 private:
  struct ParentLink final : Callback {
    Cancellation* child = nullptr;
    Cancellation* parent = nullptr;
    void on_cancel() noexcept override;
  };
  Code reason_ = Code::ok;
  Callback* first_ = nullptr;
  ParentLink parent_link_;
};

}  // namespace outrigger
