#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace outrigger::fuzz {

/// HTTP/2 frames from a short form, in which a mutation seldom breaks the framing: of each frame
/// the type, the flags, the stream and the payload's length are a byte each; the payload follows.
inline std::string frames_of(std::string_view input) {
  constexpr std::size_t kHeadBytes = 4;
  std::string out;
  while (input.size() >= kHeadBytes) {
    const std::size_t bytes =
        std::min<std::size_t>(static_cast<unsigned char>(input[3]), input.size() - kHeadBytes);
    out.append({'\0', '\0', static_cast<char>(bytes), input[0], input[1], '\0', '\0', '\0'});
    out += input[2];
    out += input.substr(kHeadBytes, bytes);
    input.remove_prefix(kHeadBytes + bytes);
  }
  return out;
}

}  // namespace outrigger::fuzz
