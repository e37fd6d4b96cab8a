#include "base/cancellation.h"

namespace outrigger {

void Cancellation::Callback::unlink() noexcept {
  if (owner_ == nullptr) return;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    owner_->first_ = next_;
  }
  if (next_ != nullptr) next_->previous_ = previous_;
  owner_ = nullptr;
  previous_ = next_ = nullptr;
}

Cancellation::Cancellation(Cancellation* parent) {
  if (parent == nullptr) return;
  parent_link_.child = this;
  parent_link_.parent = parent;
  if (parent->requested()) {
    reason_ = parent->reason_;
  } else {
    parent->add(parent_link_);
  }
}

Cancellation::~Cancellation() {
  while (first_ != nullptr) first_->unlink();
}

void Cancellation::request(Code reason) noexcept {
  if (requested()) return;
  reason_ = reason;
  while (first_ != nullptr) {
    Callback* callback = first_;
    callback->unlink();
    callback->on_cancel();
  }
}

Error Cancellation::error() const {
  if (reason_ == Code::deadline_exceeded) return {reason_, "context deadline exceeded"};
  return {reason_ == Code::ok ? Code::cancelled : reason_, "context canceled"};
}

void Cancellation::add(Callback& callback) noexcept {
  callback.owner_ = this;
  callback.previous_ = nullptr;
  callback.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &callback;
  first_ = &callback;
}

void Cancellation::ParentLink::on_cancel() noexcept {
  child->request(parent->reason_);  // Set before the parent's callbacks run.
}

}  // namespace outrigger
