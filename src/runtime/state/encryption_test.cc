#include "runtime/state/encryption.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/log.h"

namespace outrigger::runtime::state {
namespace {

const std::string kZeros128(32, '0');
const std::string kOther128 = "000102030405060708090a0b0c0d0e0f";

std::shared_ptr<const Encryption> with_key(const std::string& hex, std::string name = "key") {
  return Encryption::make({std::move(name), hex}, std::nullopt).value();
}

std::string stored(std::string_view nonce_cipher_tag_hex, std::string_view name) {
  return base64_encode(*hex_decode(nonce_cipher_tag_hex)) + "||" + std::string(name);
}

// Test cases 1, 2, 8 and 14 of "The Galois/Counter Mode of Operation" (McGrew and Viega).
TEST(Encryption, PublishedVectorsDecrypt) {
  const std::string nonce(24, '0');
  const std::string zeros(16, '\0');
  EXPECT_EQ(with_key(kZeros128)
                ->decrypt(stored(nonce + "58e2fccefa7e3061367f1d57a4e7455a", "key"), "s")
                .value(),
            "");
  EXPECT_EQ(with_key(kZeros128)
                ->decrypt(stored(nonce + "0388dace60b6a392f328c2b971b2fe78"
                                         "ab6e47d42cec13bdf53a67b21257bddf",
                                 "key"),
                          "s")
                .value(),
            zeros);
  EXPECT_EQ(with_key(std::string(48, '0'))
                ->decrypt(stored(nonce + "98e7247c07f0fe411c267e4384b0f600"
                                         "2ff58d80033927ab8ef4d4587514f0fb",
                                 "key"),
                          "s")
                .value(),
            zeros);
  EXPECT_EQ(with_key(std::string(64, '0'))
                ->decrypt(stored(nonce + "cea7403d4d606b6e074ec5d3baf39d18"
                                         "d0d1c8a799996bf0265b98b5d48ab919",
                                 "key"),
                          "s")
                .value(),
            zeros);
}

TEST(Encryption, AValueIsNonceAndCiphertextInBase64AndTheKeysName) {
  const auto encryption = with_key(kOther128, "my||key name");
  const std::string one = encryption->encrypt("value1").value();
  const std::string two = encryption->encrypt("value1").value();
  EXPECT_NE(one, two);  // The nonce is another each time.
  const std::string name = with_key(kOther128, "name")->encrypt("value1").value();
  ASSERT_TRUE(name.ends_with("||name"));
  EXPECT_EQ(base64_decode(name.substr(0, name.size() - 6))->size(), 12u + 6 + 16);
  EXPECT_EQ(with_key(kOther128, "name")->decrypt(name, "s").value(), "value1");
}

TEST(Encryption, EmptyAndBinaryValuesComeBack) {
  const auto encryption = with_key(kOther128);
  EXPECT_EQ(encryption->decrypt("", "s").value(), "");
  EXPECT_EQ(encryption->decrypt(encryption->encrypt("").value(), "s").value(), "");
  const std::string binary("\0||\xff", 4);
  EXPECT_EQ(encryption->decrypt(encryption->encrypt(binary).value(), "s").value(), binary);
}

TEST(Encryption, AValueOfTheKeyBeforeIsReadWithTheSecondaryKey) {
  const std::string old = with_key(kZeros128, "old")->encrypt("v").value();
  const auto rotated =
      Encryption::make({"new", kOther128}, Encryption::Key{"old", kZeros128}).value();
  EXPECT_EQ(rotated->decrypt(old, "s").value(), "v");
  EXPECT_TRUE(rotated->encrypt("v").value().ends_with("||new"));
  EXPECT_EQ(with_key(kOther128, "new")->decrypt(old, "s").error().message(),
            "could not decrypt data for state store s: no encryption key is named old");
}

TEST(Encryption, WhatIsNotAnEncryptedValueIsAnError) {
  const auto encryption = with_key(kOther128);
  const std::string nameless =
      "could not decrypt data for state store s: encryption key name not found on record";
  EXPECT_EQ(encryption->decrypt("plain", "s").error().message(), nameless);
  EXPECT_EQ(encryption->decrypt("abc||", "s").error().message(), nameless);
  EXPECT_FALSE(encryption->decrypt("!!!!||key", "s"));
  EXPECT_FALSE(encryption->decrypt("||key", "s"));
  EXPECT_FALSE(encryption->decrypt("AAAA||key", "s"));
  std::string damaged = encryption->encrypt("value").value();
  damaged[20] = damaged[20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(encryption->decrypt(damaged, "s").error().message(),
            "cipher: message authentication failed");
}

TEST(Encryption, KeysAreHexadecimalAndOfThreeLengths) {
  EXPECT_EQ(Encryption::make({"k", "00"}, std::nullopt).error().message(),
            "crypto/aes: invalid key size 1");
  EXPECT_EQ(Encryption::make({"k", "000"}, std::nullopt).error().message(),
            "encoding/hex: odd length hex string");
  EXPECT_FALSE(Encryption::make({"k", std::string(32, 'x')}, std::nullopt));
  EXPECT_FALSE(Encryption::make({"k", kZeros128}, Encryption::Key{"o", "00"}));
}

resources::Component component(std::string secret_store, std::string value,
                               std::string secret = "key") {
  resources::Component made;
  made.name = "store";
  made.secret_store = std::move(secret_store);
  resources::NameValue item;
  item.name = "primaryEncryptionKey";
  item.has_value = !value.empty();
  item.value = std::move(value);
  item.secret_key_ref.name = std::move(secret);
  made.metadata.push_back(std::move(item));
  return made;
}

TEST(EncryptionOf, AComponentWithAKeyFromItsSecretStoreIsEncrypted) {
  const LogCapture log;
  const auto encryption =
      encryption_of(component("vault", kOther128), resources::Mode::standalone).value();
  ASSERT_NE(encryption, nullptr);
  EXPECT_TRUE(encryption->encrypt("v").value().ends_with("||key"));
  EXPECT_TRUE(log.contains("Automatic encryption enabled for state store store"));
}

TEST(EncryptionOf, WithoutAKeyThereIsNone) {
  resources::Component plain;
  plain.secret_store = "vault";
  EXPECT_EQ(encryption_of(plain, resources::Mode::standalone).value(), nullptr);
}

TEST(EncryptionOf, WithoutASecretStoreThereIsNoneAsUpstream) {
  const LogCapture log;
  EXPECT_EQ(encryption_of(component("", kOther128), resources::Mode::standalone).value(), nullptr);
  EXPECT_TRUE(log.contains("are not encrypted"));
  EXPECT_NE(encryption_of(component("", kOther128), resources::Mode::kubernetes).value(), nullptr);
}

TEST(EncryptionOf, AKeyThatCannotBeFoundIsAnErrorNotPlainText) {
  EXPECT_EQ(encryption_of(component("vault", ""), resources::Mode::standalone).error().message(),
            "failed to extract encryption key: the secret key has no key");
  EXPECT_EQ(encryption_of(component("vault", kOther128, ""), resources::Mode::standalone)
                .error()
                .message(),
            "failed to extract encryption key: secretKeyRef cannot be empty");
  EXPECT_FALSE(encryption_of(component("vault", "zz"), resources::Mode::standalone));
}

}  // namespace
}  // namespace outrigger::runtime::state
