#include "net/grpc/frame_meter.h"

namespace outrigger::net::grpc {
namespace {

std::string frame_of(std::string_view payload, bool compressed = false) {
  std::string frame;
  append_frame(frame, payload, compressed);
  return frame;
}

/// The first error of feeding `bytes` in pieces of `piece`.
std::string refusal(FrameMeter meter, std::string_view bytes, std::size_t piece) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    if (auto fed = meter.feed(bytes.substr(0, piece)); !fed) return fed.error().message();
  }
  return "";
}

class GrpcMeter : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Pieces, GrpcMeter, ::testing::Values(1, 3, 5, 7, 100, 1U << 20));

TEST_P(GrpcMeter, MessagesUpToTheLimitPass) {
  const std::string bytes =
      frame_of("") + frame_of(std::string(100, 'a')) + frame_of("") + frame_of("b");
  EXPECT_EQ(refusal(FrameMeter(100, ""), bytes, GetParam()), "");
}

TEST_P(GrpcMeter, OneByteMoreIsRefusedInTheWordsOfGrpcGo) {
  const std::string bytes = frame_of("fine") + frame_of(std::string(101, 'a'));
  EXPECT_EQ(refusal(FrameMeter(100, "gzip"), bytes, GetParam()),
            "grpc: received message larger than max (101 vs. 100)");
}

TEST_P(GrpcMeter, WhatIsTooLargeOnceDecompressedIsRefused) {
  const std::string fine = frame_of(gzip(std::string(1000, 'a')), true);
  EXPECT_EQ(refusal(FrameMeter(1000, "gzip"), fine + fine, GetParam()), "");
  const std::string bytes = fine + frame_of(gzip(std::string(1001, 'a')), true);
  EXPECT_EQ(refusal(FrameMeter(1000, "gzip"), bytes, GetParam()),
            "grpc: received message after decompression larger than max 1000");
}

TEST_P(GrpcMeter, AllMembersOfAGzipStreamCount) {
  const std::string twice = gzip(std::string(600, 'a')) + gzip(std::string(600, 'b'));
  EXPECT_NE(refusal(FrameMeter(1000, "gzip"), frame_of(twice, true), GetParam()), "");
  EXPECT_EQ(refusal(FrameMeter(1200, "gzip"), frame_of(twice, true), GetParam()), "");
}

TEST_P(GrpcMeter, DamagedDataAndUnknownEncodingsAreLeftToTheReceiver) {
  const std::string damaged = frame_of("no gzip at all", true) + frame_of("fine");
  EXPECT_EQ(refusal(FrameMeter(100, "gzip"), damaged, GetParam()), "");
  EXPECT_EQ(refusal(FrameMeter(100, "zstd"), damaged, GetParam()), "");
}

TEST_P(GrpcMeter, UnknownFlagsAreRefused) {
  std::string bytes = frame_of("x");
  bytes[0] = 2;
  EXPECT_EQ(refusal(FrameMeter(100, ""), bytes, GetParam()),
            "grpc: received unexpected payload format 2");
}

TEST(GrpcMeterSound, MessagesBeforeTheRefusedOneAreTold) {
  FrameMeter meter(100, "");
  const std::string fine = frame_of("fine");
  const std::string bad = frame_of(std::string(101, 'a'));
  ASSERT_TRUE(meter.feed(fine.substr(0, 6)));
  ASSERT_FALSE(meter.feed(fine.substr(6) + fine + bad));
  EXPECT_EQ(meter.sound_bytes(), fine.size() - 6 + fine.size());
}

TEST(GrpcMeterBomb, AMessageThatGrowsAThousandfoldIsStoppedAtTheLimit) {
  const std::string bomb = frame_of(gzip(std::string(64U << 20, '\0')), true);
  ASSERT_LT(bomb.size(), 100'000);
  EXPECT_EQ(refusal(FrameMeter(4U << 20, "gzip"), bomb, bomb.size()),
            "grpc: received message after decompression larger than max 4194304");
}

}  // namespace
}  // namespace outrigger::net::grpc
