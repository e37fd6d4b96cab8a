#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "resources/component.h"
#include "resources/references.h"

namespace outrigger::runtime::state {

/// Automatic encryption of one store's values: AES-GCM with a key of 128, 192 or 256 bits. A stored
/// value is base64(nonce, ciphertext, tag), "||" and the name of the secret that the key came from.
/// Immutable: shared by all loops.
class Encryption {
 public:
  struct Key {
    std::string name;  ///< Of the secret; written beside each value.
    std::string hex;
  };
  /// `secondary` only decrypts: values written before the keys were rotated. Code::invalid_argument
  /// if a key is not hexadecimal or not of one of the three lengths.
  static Result<std::shared_ptr<const Encryption>> make(Key primary, std::optional<Key> secondary);
  ~Encryption();

  [[nodiscard]] Result<std::string> encrypt(std::string_view value) const;
  /// An empty value stays empty. `store` is named in errors.
  [[nodiscard]] Result<std::string> decrypt(std::string_view stored, std::string_view store) const;

 private:
  struct Impl;
  explicit Encryption(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The encryption that a component asks for with primaryEncryptionKey and secondaryEncryptionKey,
/// whose secrets have been put in; nullptr if it asks for none. As upstream, a component without a
/// secret store has none whatever else it says.
Result<std::shared_ptr<const Encryption>> encryption_of(const resources::Component& component,
                                                        resources::Mode mode);

}  // namespace outrigger::runtime::state
