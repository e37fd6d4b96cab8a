#pragma once

#include "base/cancellation.h"

namespace outrigger::runtime::actors {

/// A cancellation that is requested with its parent's or with another's, of the same loop. Private
/// to this folder.
class Either {
 public:
  /// `parent` may be nullptr. `other` must outlive this object or be gone before it is requested.
  Either(Cancellation* parent, Cancellation& other) : cancellation_(parent) {
    link_.target = &cancellation_;
    if (other.requested()) {
      cancellation_.request();
    } else {
      other.add(link_);
    }
  }
  [[nodiscard]] Cancellation& get() noexcept { return cancellation_; }

 private:
  struct Link final : Cancellation::Callback {
    Cancellation* target = nullptr;
    void on_cancel() noexcept override { target->request(); }
  };
  Cancellation cancellation_;
  Link link_;
};

}  // namespace outrigger::runtime::actors
