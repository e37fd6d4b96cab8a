#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "components/metadata.h"

/// What all blocks' components have in common. A component is one object per configured component
/// AND loop: its methods are called, and its tasks run, on that loop only. What the instances of
/// one configured component must have in common (an in-memory table, a database file, a token
/// cache) is a thread-safe object of its own, found through ComponentContext::shared().
///
/// The life of an instance: `make(metadata, context)` reads and checks the metadata and does no
/// I/O; `co_await init()` connects, on the loop; calls may then overlap; `co_await close()` once
/// they have ended. Whoever awaits init() awaits close() before the instance is destroyed, whatever
/// init() said, also if it was cancelled, and under no cancellation. So init() may leave as it
/// likes, and all that an instance has opened is given back in one place: its close() must do with
/// as little as it finds, and with being called again.
namespace outrigger::components {

/// Where the instances of one configured component meet. Thread-safe.
class Shared {
 public:
  /// The object of type T; the first caller makes it. If making it fails the next caller tries
  /// again. Lives until the last instance and the configured component itself are gone.
  template <class T>
  Result<std::shared_ptr<T>> get(std::move_only_function<Result<std::shared_ptr<T>>()> make) {
    const std::lock_guard lock(mutex_);
    auto& slot = objects_[std::type_index(typeid(T))];
    if (slot == nullptr) {
      OUT_TRY(auto made, make());
      slot = std::move(made);
    }
    return std::static_pointer_cast<T>(slot);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> objects_;
};

/// Where an instance lives.
struct ComponentContext {
  /// The loop of this instance; outlives it.
  Loop& loop;
  std::string app_id;
  std::string app_namespace = "default";
  /// The same object for all instances of one configured component.
  std::shared_ptr<Shared> slot = std::make_shared<Shared>();

  template <class T>
  Result<std::shared_ptr<T>> shared(std::move_only_function<Result<std::shared_ptr<T>>()> make) {
    return slot->get<T>(std::move(make));
  }
};

/// Makes the instances of one kind of component: a function, or an object for kinds that are known
/// at run time only (components behind sockets).
template <class Component>
class Maker {
 public:
  using Made = Result<std::unique_ptr<Component>>;
  using Function = Made (*)(const Metadata& metadata, ComponentContext& context);
  /// Called from any loop.
  class Object {
   public:
    virtual ~Object() = default;
    virtual Made make(const Metadata& metadata, ComponentContext& context) const = 0;
  };

  constexpr Maker(Function function) noexcept : function_(function) {}  // NOLINT: it is one.
  /// The object must outlive the row.
  constexpr explicit Maker(const Object& object) noexcept : object_(&object) {}

  Made operator()(const Metadata& metadata, ComponentContext& context) const {
    return object_ != nullptr ? object_->make(metadata, context) : function_(metadata, context);
  }

 private:
  Function function_ = nullptr;
  const Object* object_ = nullptr;
};

/// One row of a block's registry: a type and version of component that this program can open.
template <class Component>
struct Kind {
  std::string_view type;     ///< "state.redis", lower case.
  std::string_view version;  ///< "v1".
  Maker<Component> make;
  /// The listing of its metadata fields.
  std::vector<FieldInfo> (*fields)();
  /// For a type with several versions: the one that an empty `spec.version` means.
  bool is_default = false;
  /// For a type with several versions: using this one is worth a warning in the log.
  bool deprecated = false;
};

/// The row for `spec.type` and `spec.version`, in any case; nullptr if there is none. "" and "v0"
/// also mean v1 of a type that has no other version.
template <class Component>
const Kind<Component>* find_kind(std::span<const Kind<Component>> kinds, std::string_view type,
                                 std::string_view version);

namespace detail {
/// Whether a row answers to the names asked for; `several` if its type has several versions.
bool matches(std::string_view row_version, bool is_default, bool several,
             std::string_view version) noexcept;
bool same_type(std::string_view a, std::string_view b) noexcept;
}  // namespace detail

template <class Component>
const Kind<Component>* find_kind(std::span<const Kind<Component>> kinds, std::string_view type,
                                 std::string_view version) {
  std::size_t versions = 0;
  for (const auto& kind : kinds) versions += detail::same_type(kind.type, type) ? 1 : 0;
  for (const auto& kind : kinds) {
    if (!detail::same_type(kind.type, type)) continue;
    if (detail::matches(kind.version, kind.is_default, versions > 1, version)) return &kind;
  }
  return nullptr;
}

}  // namespace outrigger::components
