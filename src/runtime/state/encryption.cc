#include "runtime/state/encryption.h"

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/random.h"
#include "runtime/state/key_prefix.h"

namespace outrigger::runtime::state {
namespace {

const Logger log("dapr.runtime.processor.state");

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
/// EVP counts bytes in an int.
constexpr std::size_t kValueBytesMax = 1U << 30;

struct Cipher {
  std::string name;
  std::string key;
  const EVP_CIPHER* algorithm = nullptr;
};

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

unsigned char* bytes(std::string& text, std::size_t offset = 0) {
  return reinterpret_cast<unsigned char*>(text.data()) + offset;
}
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::unexpected<Error> cipher_failed() {
  return fail(Code::internal, "cipher: the AES-GCM operation failed");
}

Result<Cipher> make_cipher(Encryption::Key key) {
  auto decoded = hex_decode(key.hex);
  if (!decoded) {
    return fail(Code::invalid_argument,
                key.hex.size() % 2 != 0 ? "encoding/hex: odd length hex string"
                                        : "encoding/hex: the encryption key is not hexadecimal");
  }
  Cipher cipher{std::move(key.name), *std::move(decoded)};
  switch (cipher.key.size()) {
    case 16: cipher.algorithm = EVP_aes_128_gcm(); break;
    case 24: cipher.algorithm = EVP_aes_192_gcm(); break;
    case 32: cipher.algorithm = EVP_aes_256_gcm(); break;
    default:
      return fail(Code::invalid_argument,
                  "crypto/aes: invalid key size " + std::to_string(cipher.key.size()));
  }
  return cipher;
}

/// Nonce, ciphertext and tag.
Result<std::string> seal(const Cipher& cipher, std::string_view value) {
  if (value.size() > kValueBytesMax) {
    return fail(Code::resource_exhausted, "the value is too large to be encrypted");
  }
  const Context context(EVP_CIPHER_CTX_new());
  std::string sealed = secure_random_bytes(kNonceBytes);
  sealed.resize(kNonceBytes + value.size() + kTagBytes);
  if (!context || EVP_EncryptInit_ex(context.get(), cipher.algorithm, nullptr, bytes(cipher.key),
                                     bytes(sealed)) != 1) {
    return cipher_failed();
  }
  int written = 0;
  if (EVP_EncryptUpdate(context.get(), bytes(sealed, kNonceBytes), &written, bytes(value),
                        static_cast<int>(value.size())) != 1) {
    return cipher_failed();
  }
  const std::size_t end = kNonceBytes + static_cast<std::size_t>(written);
  int rest = 0;
  if (EVP_EncryptFinal_ex(context.get(), bytes(sealed, end), &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes),
                          bytes(sealed, kNonceBytes + value.size())) != 1) {
    return cipher_failed();
  }
  return sealed;
}

Result<std::string> open(const Cipher& cipher, std::string sealed) {
  if (sealed.size() < kNonceBytes + kTagBytes || sealed.size() > kValueBytesMax) {
    return fail(Code::data_loss, "cipher: message authentication failed");
  }
  const std::size_t length = sealed.size() - kNonceBytes - kTagBytes;
  const Context context(EVP_CIPHER_CTX_new());
  std::string value(length, '\0');
  int written = 0;
  int rest = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), cipher.algorithm, nullptr, bytes(cipher.key),
                         bytes(sealed)) != 1 ||
      EVP_DecryptUpdate(context.get(), bytes(value), &written, bytes(sealed, kNonceBytes),
                        static_cast<int>(length)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes),
                          bytes(sealed, kNonceBytes + length)) != 1) {
    return cipher_failed();
  }
  if (EVP_DecryptFinal_ex(context.get(), bytes(value, static_cast<std::size_t>(written)), &rest) !=
      1) {
    return fail(Code::data_loss, "cipher: message authentication failed");
  }
  return value;
}

std::unexpected<Error> no_key(const std::string& why) {
  return fail(Code::invalid_argument, "failed to extract encryption key: " + why);
}

/// nullopt if the component has no such item.
Result<std::optional<Encryption::Key>> key_of(const resources::Component& component,
                                              std::string_view item_name) {
  for (const resources::NameValue& item : component.metadata) {
    if (item.name != item_name) continue;
    if (item.secret_key_ref.name.empty()) return no_key("secretKeyRef cannot be empty");
    if (item.value.empty()) {
      return no_key("the secret " + item.secret_key_ref.name + " has no " +
                    item.secret_key_ref.key_or_name());
    }
    return Encryption::Key{item.secret_key_ref.name, item.value};
  }
  return std::nullopt;
}

}  // namespace

struct Encryption::Impl {
  Cipher primary;
  std::optional<Cipher> secondary;
};

Encryption::Encryption(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Encryption::~Encryption() = default;

Result<std::shared_ptr<const Encryption>> Encryption::make(Key primary,
                                                           std::optional<Key> secondary) {
  auto impl = std::make_unique<Impl>();
  OUT_TRY(impl->primary, make_cipher(std::move(primary)));
  if (secondary) {
    OUT_TRY(impl->secondary, make_cipher(*std::move(secondary)));
  }
  return std::shared_ptr<const Encryption>(new Encryption(std::move(impl)));
}

Result<std::string> Encryption::encrypt(std::string_view value) const {
  OUT_TRY(const std::string sealed, seal(impl_->primary, value));
  std::string stored;
  append_base64(stored, sealed);
  stored.append(kKeySeparator).append(impl_->primary.name);
  return stored;
}

Result<std::string> Encryption::decrypt(std::string_view stored, std::string_view store) const {
  if (stored.empty()) return std::string();
  const std::string failed = "could not decrypt data for state store " + std::string(store) + ": ";
  const std::size_t at = stored.rfind(kKeySeparator);
  const std::string_view name =
      at == std::string_view::npos ? std::string_view() : stored.substr(at + kKeySeparator.size());
  if (name.empty()) {
    return fail(Code::data_loss, failed + "encryption key name not found on record");
  }
  const Cipher* cipher = nullptr;
  if (name == impl_->primary.name) {
    cipher = &impl_->primary;
  } else if (impl_->secondary && name == impl_->secondary->name) {
    cipher = &*impl_->secondary;
  }
  if (cipher == nullptr) {
    return fail(Code::data_loss, failed + "no encryption key is named " + std::string(name));
  }
  auto sealed = base64_decode(stored.substr(0, at));
  if (!sealed) return fail(Code::data_loss, failed + "illegal base64 data");
  return open(*cipher, *std::move(sealed));
}

Result<std::shared_ptr<const Encryption>> encryption_of(const resources::Component& component,
                                                        resources::Mode mode) {
  constexpr std::string_view kPrimary = "primaryEncryptionKey";
  constexpr std::string_view kSecondary = "secondaryEncryptionKey";
  const bool has_store = !resources::secret_store_or_default(component.secret_store, mode).empty();
  if (!has_store) {
    for (const resources::NameValue& item : component.metadata) {
      if (item.name != kPrimary) continue;
      log.warn("state store ", component.name, " has a ", kPrimary,
               " but no secret store: its values are not encrypted");
    }
    return nullptr;
  }
  OUT_TRY(auto primary, key_of(component, kPrimary));
  OUT_TRY(auto secondary, key_of(component, kSecondary));
  if (!primary) return nullptr;
  OUT_TRY(auto encryption, Encryption::make(*std::move(primary), std::move(secondary)));
  log.info("Automatic encryption enabled for state store ", component.name);
  log.info(
      "WARNING: Automatic state store encryption should never be used to store more than 4 billion "
      "items in the state store (including updates). Storing more items than that can cause the "
      "private key to be exposed.");
  return encryption;
}

}  // namespace outrigger::runtime::state
