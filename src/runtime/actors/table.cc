#include "runtime/actors/table.h"

#include "runtime/actors/names.h"

namespace outrigger::runtime::actors {
namespace {

constexpr std::size_t kSlotsMin = 16;

/// The loop is chosen by the low bits of the same kind of hash, so these are others.
std::uint32_t slot_hash(Table::TypeIndex type, std::string_view id) noexcept {
  const std::uint64_t hash = hash_of({}, id) + type * 0x9e3779b97f4a7c15ULL;
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

std::size_t Table::slot_of(std::uint32_t hash, TypeIndex type, std::string_view id) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.cell == kNone) return i;
    if (slot.hash != hash) continue;
    const Actor& actor = cells_[slot.cell];
    if (actor.type_ == type && actor.id_ == id) return i;
  }
}

Table::Actor* Table::find(TypeIndex type, std::string_view id) noexcept {
  if (slots_.empty()) return nullptr;
  const Slot& slot = slots_[slot_of(slot_hash(type, id), type, id)];
  return slot.cell == kNone ? nullptr : &cells_[slot.cell];
}

Table::Actor& Table::add(TypeIndex type, std::string_view id, TimePoint idle_at) {
  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  if (type >= lists_.size()) lists_.resize(type + 1);
  std::uint32_t cell = free_;
  if (cell == kNone) {
    cell = static_cast<std::uint32_t>(cells_.size());
    cells_.emplace_back();
  } else {
    free_ = cells_[cell].next_;
  }
  Actor& actor = cells_[cell];
  actor.id_ = id;
  actor.type_ = type;
  actor.hash_ = slot_hash(type, id);
  actor.self_ = cell;
  actor.idle_at_ = idle_at;
  const std::size_t at = slot_of(actor.hash_, type, id);
  OUT_ASSERT(slots_[at].cell == kNone);
  slots_[at] = {cell, actor.hash_};
  ++size_;
  link(actor);
  return actor;
}

void Table::erase(Actor& actor) noexcept {
  unlink(actor);
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot_of(actor.hash_, actor.type_, actor.id_);
  // Those behind move up, so that no look-up ends at the hole.
  for (std::size_t i = (hole + 1) & mask; slots_[i].cell != kNone; i = (i + 1) & mask) {
    const std::size_t home = slots_[i].hash & mask;
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    slots_[hole] = slots_[i];
    hole = i;
  }
  slots_[hole] = {};
  --size_;
  actor.activity.reset();
  actor.id_ = std::string();
  actor.next_ = free_;
  free_ = actor.self_;
}

void Table::touch(Actor& actor, TimePoint idle_at) noexcept {
  actor.idle_at_ = idle_at;
  if (lists_[actor.type_].last == actor.self_) return;
  unlink(actor);
  link(actor);
}

Table::Actor* Table::oldest(TypeIndex type) noexcept {
  if (type >= lists_.size() || lists_[type].first == kNone) return nullptr;
  return &cells_[lists_[type].first];
}

std::size_t Table::count(TypeIndex type) const noexcept {
  return type < lists_.size() ? lists_[type].count : 0;
}

std::vector<std::string> Table::ids(TypeIndex type) const {
  std::vector<std::string> ids;
  if (type >= lists_.size()) return ids;
  ids.reserve(lists_[type].count);
  for (std::uint32_t i = lists_[type].first; i != kNone; i = cells_[i].next_) {
    ids.push_back(cells_[i].id_);
  }
  return ids;
}

void Table::grow() {
  std::vector<Slot> old(std::max(kSlotsMin, slots_.size() * 2));
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.cell == kNone) continue;
    std::size_t i = slot.hash & mask;
    while (slots_[i].cell != kNone) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

void Table::link(Actor& actor) noexcept {
  List& list = lists_[actor.type_];
  actor.previous_ = list.last;
  actor.next_ = kNone;
  (list.last == kNone ? list.first : cells_[list.last].next_) = actor.self_;
  list.last = actor.self_;
  ++list.count;
}

void Table::unlink(Actor& actor) noexcept {
  List& list = lists_[actor.type_];
  (actor.previous_ == kNone ? list.first : cells_[actor.previous_].next_) = actor.next_;
  (actor.next_ == kNone ? list.last : cells_[actor.next_].previous_) = actor.previous_;
  --list.count;
}

}  // namespace outrigger::runtime::actors
