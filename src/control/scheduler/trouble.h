#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/loop.h"
#include "base/result.h"

namespace outrigger::control::scheduler {

/// Keeps account of whether the store works: says so in the log when that changes and now and then
/// while it does not, and tells who asks for health when it has not for ten seconds.
class Trouble {
 public:
  /// `doing` completes "The store of jobs fails ..." in the log.
  Trouble(std::string doing, std::function<void(bool)> healthy)
      : doing_(std::move(doing)), healthy_(std::move(healthy)) {}

  /// How long to wait before the next try: more from time to time, up to 5 s.
  Duration failed(const Error& error);
  void worked();

 private:
  std::string doing_;
  std::function<void(bool)> healthy_;
  std::optional<TimePoint> since_;
  TimePoint told_;
  bool reported_ = false;
  Duration pause_{};
};

}  // namespace outrigger::control::scheduler
