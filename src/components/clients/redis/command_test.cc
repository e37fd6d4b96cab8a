#include "components/clients/redis/command.h"

namespace outrigger::components::redis {
namespace {

TEST(Command, IsEncodedAsAnArrayOfBulkStrings) {
  const auto command = Command::keyed("k\n", {"SET", "k\n", ""});
  EXPECT_EQ(command.bytes(), "*3\r\n$3\r\nSET\r\n$2\r\nk\n\r\n$0\r\n\r\n");
}

// Numbers from the cluster specification of Redis and from CLUSTER KEYSLOT.
TEST(Command, SlotsAreThoseOfTheClusterSpecification) {
  EXPECT_EQ(key_slot("123456789"), 0x31C3 % kSlots);
  EXPECT_EQ(key_slot("foo"), 12182);
  EXPECT_EQ(key_slot(""), 0);
  EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
  EXPECT_EQ(key_slot("foo{{bar}}zap"), key_slot("{bar"));
  EXPECT_EQ(key_slot("foo{bar}{zap}"), key_slot("bar"));
  EXPECT_NE(key_slot("foo{}{bar}"), key_slot("bar"));
  EXPECT_NE(key_slot("foo{bar"), key_slot("bar"));
}

constexpr Script kScript("return redis.call('GET', KEYS[1])");

TEST(Command, AScriptIsCalledByItsNameOrInFull) {
  EXPECT_EQ(kScript.name(), "d3c21d0c2b9ca22f82737626a27bcaf5d288f99f");
  EXPECT_EQ(std::string_view(sha1_hex("").data(), 40), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  const std::string_view words[] = {"1", "key"};
  const auto command = Command::evaluate(kScript, words, key_slot("key"));
  EXPECT_EQ(command.bytes(), "*4\r\n$7\r\nEVALSHA\r\n$40\r\n" + std::string(kScript.name()) +
                                 "\r\n$1\r\n1\r\n$3\r\nkey\r\n");
  const auto full = command.in_full();
  EXPECT_EQ(full.bytes(), "*4\r\n$4\r\nEVAL\r\n$33\r\n" + std::string(kScript.text) +
                              "\r\n$1\r\n1\r\n$3\r\nkey\r\n");
  EXPECT_EQ(full.slot(), command.slot());
}

}  // namespace
}  // namespace outrigger::components::redis
