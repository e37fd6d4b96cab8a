#pragma once

#include <gtest/gtest.h>

#include "net/http1/transcript.h"

/// For the tests of this room: one input in all the pieces it could come in.
namespace outrigger::net::http1 {

/// Calls `feed` with the input whole, byte by byte and cut in two at every place, expects the same
/// transcript each time, and returns it.
template <class Feed>
std::string same_for_every_split(std::string_view input, Feed feed) {
  const std::vector<std::string_view> whole{input};
  const std::string expected = feed(whole);
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
  EXPECT_EQ(feed(bytes), expected) << "byte by byte: " << input;
  for (std::size_t i = 1; i < input.size(); ++i) {
    const std::vector<std::string_view> halves{input.substr(0, i), input.substr(i)};
    EXPECT_EQ(feed(halves), expected) << "cut at " << i << ": " << input;
  }
  return expected;
}

inline std::string requests(std::string_view input, Limits limits = {}) {
  return same_for_every_split(input, [&](const std::vector<std::string_view>& pieces) {
    return request_transcript(pieces, limits);
  });
}

inline std::string responses(std::string_view input,
                             std::vector<std::string_view> methods = {"GET"}, Limits limits = {}) {
  return same_for_every_split(input, [&](const std::vector<std::string_view>& pieces) {
    return response_transcript(pieces, methods, limits);
  });
}

/// The status of the transcript's error, or 0.
inline int error_status(const std::string& transcript) {
  const std::size_t at = transcript.rfind("\nerror ");
  return at == std::string::npos ? 0 : std::stoi(transcript.substr(at + 7, 3));
}

}  // namespace outrigger::net::http1
