#include "net/grpc/frame.h"

#include <random>

#include "base/hex.h"

namespace outrigger::net::grpc {
namespace {

std::string framed(std::string_view payload, bool compressed = false) {
  std::string out;
  append_frame(out, payload, compressed);
  return out;
}

TEST(GrpcFrame, TheHeadIsFlagsAndBigEndianLength) {
  EXPECT_EQ(hex_encode(framed("ab")), "00000000026162");
  EXPECT_EQ(hex_encode(framed("", true)), "0100000000");
  std::string out = "x";
  const std::size_t mark = open_frame(out);
  out += std::string(300, 'y');
  seal_frame(out, mark);
  EXPECT_EQ(hex_encode(std::string_view(out).substr(0, 7)), "78000000012c79");
}

TEST(GrpcFrame, AnyChunkingGivesTheSameMessages) {
  std::mt19937 random(3);
  std::vector<std::string> messages;
  std::string stream;
  for (int i = 0; i < 200; ++i) {
    messages.emplace_back(i % 7 == 0 ? 0 : random() % 3000, static_cast<char>('a' + i % 26));
    stream += framed(messages.back(), i % 3 == 0);
  }
  for (const std::size_t largest : {1UL, 4UL, 6UL, 100UL, 5000UL, 1000000UL}) {
    Deframer deframer;
    std::size_t seen = 0;
    std::string_view rest = stream;
    while (!rest.empty()) {
      // A copy, so that the sanitizer sees a view that outlives its chunk.
      const std::string chunk(rest.substr(0, 1 + random() % largest));
      rest.remove_prefix(chunk.size());
      deframer.feed(chunk);
      for (;;) {
        auto frame = deframer.next();
        ASSERT_TRUE(frame);
        if (!*frame) break;
        ASSERT_LT(seen, messages.size());
        EXPECT_EQ((*frame)->payload, messages[seen]);
        EXPECT_EQ((*frame)->compressed, seen % 3 == 0);
        ++seen;
      }
    }
    EXPECT_EQ(seen, messages.size());
    EXPECT_FALSE(deframer.partial());
  }
}

TEST(GrpcFrame, AStreamThatEndsWithinAFrameIsNoticed) {
  const std::string whole = framed("hello");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    Deframer deframer;
    const std::string part = whole.substr(0, cut);
    deframer.feed(part);
    auto frame = deframer.next();
    ASSERT_TRUE(frame);
    EXPECT_FALSE(*frame);
    EXPECT_TRUE(deframer.partial()) << cut;
  }
}

TEST(GrpcFrame, AMessageAboveTheLimitIsRefusedByItsHead) {
  Deframer deframer(10);
  const std::string fits = framed("0123456789");
  deframer.feed(fits);
  ASSERT_TRUE(deframer.next().value());
  ASSERT_FALSE(deframer.next().value());
  const std::string head("\0\0\0\0\x0b", 5);
  deframer.feed(head);
  auto refused = deframer.next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::resource_exhausted);
  EXPECT_EQ(refused.error().message(), "grpc: received message larger than max (11 vs. 10)");
}

TEST(GrpcFrame, UnknownFlagsAreRefused) {
  Deframer deframer;
  const std::string head("\x02\0\0\0\0", 5);
  deframer.feed(head);
  auto refused = deframer.next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::internal);
  EXPECT_EQ(refused.error().message(), "grpc: received unexpected payload format 2");
}

TEST(GrpcFrame, ALargeLengthAloneTakesNoMemory) {
  Deframer deframer(std::size_t{1} << 32);
  const std::string head("\0\xff\xff\xff\xff", 5);
  deframer.feed(head);
  auto frame = deframer.next();
  ASSERT_TRUE(frame);
  EXPECT_FALSE(*frame);
}

TEST(GrpcGzip, WhatGoCompressedIsRead) {
  std::string bytes;
  for (const char* part : {"1f8b08000000000000ffca48cdc9c957c02001010000ffffe3513d8d17000000"}) {
    bytes += hex_decode(part).value();
  }
  EXPECT_EQ(gunzip(bytes, 23).value(), "hello hello hello hello");
  EXPECT_EQ(gunzip(bytes + bytes, 100).value(), "hello hello hello hellohello hello hello hello");
}

TEST(GrpcGzip, RoundTripsOfAllSizes) {
  std::mt19937 random(5);
  for (const std::size_t size : {0UL, 1UL, 1000UL, 16384UL, 16385UL, 1000000UL}) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 7);
    EXPECT_EQ(gunzip(gzip(bytes), size).value(), bytes);
  }
}

TEST(GrpcGzip, ABombStopsAtTheLimit) {
  const std::string bomb = gzip(std::string(50'000'000, '\0'));
  ASSERT_LT(bomb.size(), 100'000U);
  auto refused = gunzip(bomb, 1'000'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::resource_exhausted);
  EXPECT_EQ(refused.error().message(),
            "grpc: received message after decompression larger than max 1000000");
}

TEST(GrpcGzip, DamagedBytesAreAnError) {
  const std::string good = gzip("some text that is long enough to be damaged");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    auto refused = gunzip(std::string_view(good).substr(0, cut), 1000);
    ASSERT_FALSE(refused) << cut;
    EXPECT_EQ(refused.error().code(), Code::internal);
  }
  EXPECT_FALSE(gunzip("not gzip at all", 1000));
  EXPECT_FALSE(gunzip(good + "tail", 1000));
  std::string flipped = good;
  flipped[good.size() - 6] = static_cast<char>(flipped[good.size() - 6] ^ 1);
  EXPECT_FALSE(gunzip(flipped, 1000));
}

TEST(GrpcEncoding, CompressedFramesNeedAnEncodingThatIsKnown) {
  std::string scratch;
  const std::string packed = gzip("hi");
  const Frame frame{.compressed = true, .payload = packed};
  EXPECT_EQ(message_of(frame, "gzip", Side::server, 100, scratch).value(), "hi");
  EXPECT_EQ(message_of({.payload = "raw"}, "gzip", Side::server, 100, scratch).value(), "raw");
  for (const char* none : {"", "identity"}) {
    auto refused = message_of(frame, none, Side::server, 100, scratch);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::internal);
    EXPECT_EQ(refused.error().message(),
              "grpc: compressed flag set with identity or empty encoding");
  }
  auto at_server = message_of(frame, "snappy", Side::server, 100, scratch);
  ASSERT_FALSE(at_server);
  EXPECT_EQ(at_server.error().code(), Code::unimplemented);
  EXPECT_EQ(at_server.error().message(),
            "grpc: Decompressor is not installed for grpc-encoding \"snappy\"");
  auto at_client = message_of(frame, "snappy", Side::client, 100, scratch);
  ASSERT_FALSE(at_client);
  EXPECT_EQ(at_client.error().code(), Code::internal);
}

}  // namespace
}  // namespace outrigger::net::grpc
