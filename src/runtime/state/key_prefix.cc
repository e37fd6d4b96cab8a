#include "runtime/state/key_prefix.h"

#include "base/strings.h"

namespace outrigger::runtime::state {

Result<KeyPrefix> KeyPrefix::from(const components::Metadata& metadata, const KeyOwner& owner) {
  const std::string strategy = to_lower(metadata.find({"keyPrefix"}).value_or("appid"));
  if (!is_legal_key(strategy)) {
    return fail(Code::invalid_argument,
                "failed to save lock keyprefix: api error: code = "
                "InvalidArgument desc = " +
                    illegal_key_message(strategy));
  }
  std::string prefix = strategy;
  if (strategy == "none") return KeyPrefix();
  if (strategy == "name") {
    prefix = metadata.name;
  } else if (strategy == "appid" || strategy == "namespace") {
    if (owner.app_id.empty()) return KeyPrefix();
    const bool by_namespace = strategy == "namespace" && !owner.own_namespace.empty();
    prefix = by_namespace ? owner.own_namespace + "." + owner.app_id : owner.app_id;
  }
  prefix += kKeySeparator;
  return KeyPrefix(std::move(prefix));
}

std::string KeyPrefix::apply(std::string_view key) const {
  std::string stored;
  stored.reserve(text_.size() + key.size());
  stored.append(text_).append(key);
  return stored;
}

bool is_legal_key(std::string_view key) noexcept {
  return key.find(kKeySeparator) == std::string_view::npos;
}

std::string illegal_key_message(std::string_view key) {
  return "input key/keyPrefix '" + std::string(key) + "' can't contain '||'";
}

std::string_view original_key(std::string_view stored) noexcept {
  const std::size_t first = stored.find(kKeySeparator);
  if (first == std::string_view::npos) return stored;
  const std::string_view rest = stored.substr(first + kKeySeparator.size());
  return rest.substr(0, rest.find(kKeySeparator));
}

}  // namespace outrigger::runtime::state
