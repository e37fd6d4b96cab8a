#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"

namespace outrigger::runtime::actors {

struct Activity;

/// The actors of one loop that are active, by type and id. Small, for there may be a million that
/// do nothing: one cell each, no allocation but for ids above 15 bytes. For each type it knows who
/// has been idle for longest, because all actors of a type may be idle for the same time.
class Table {
 public:
  using TypeIndex = std::uint32_t;

  /// One actor. Its address stays until erase().
  class Actor {
   public:
    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] TypeIndex type() const noexcept { return type_; }
    /// When it has been idle for long enough.
    [[nodiscard]] TimePoint idle_at() const noexcept { return idle_at_; }
    /// What it is doing; nullptr: nothing.
    std::shared_ptr<Activity> activity;

   private:
    friend class Table;
    std::string id_;
    TimePoint idle_at_;
    TypeIndex type_ = 0;
    std::uint32_t hash_ = 0;
    std::uint32_t self_ = 0;
    std::uint32_t previous_ = kNone;  // Of its type, by idle_at_.
    std::uint32_t next_ = kNone;      // The same; of a free cell the next free one.
  };

  /// nullptr if it is not active.
  [[nodiscard]] Actor* find(TypeIndex type, std::string_view id) noexcept;
  /// Adds an actor that is not there, idle from now on.
  Actor& add(TypeIndex type, std::string_view id, TimePoint idle_at);
  void erase(Actor& actor) noexcept;
  /// It was used: `idle_at` must not be before that of any other actor of its type.
  void touch(Actor& actor, TimePoint idle_at) noexcept;

  /// The actor of the type that has been idle for longest; nullptr if there is none.
  [[nodiscard]] Actor* oldest(TypeIndex type) noexcept;
  [[nodiscard]] std::size_t count(TypeIndex type) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The ids of all active actors of a type.
  [[nodiscard]] std::vector<std::string> ids(TypeIndex type) const;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Slot {
    std::uint32_t cell = kNone;
    std::uint32_t hash = 0;
  };
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
    std::size_t count = 0;
  };

  [[nodiscard]] std::size_t slot_of(std::uint32_t hash, TypeIndex type,
                                    std::string_view id) const noexcept;
  void grow();
  void link(Actor& actor) noexcept;
  void unlink(Actor& actor) noexcept;

  std::deque<Actor> cells_;
  std::vector<Slot> slots_;  // Open addressing, linear; a power of two.
  std::vector<List> lists_;
  std::uint32_t free_ = kNone;
  std::size_t size_ = 0;
};

}  // namespace outrigger::runtime::actors
