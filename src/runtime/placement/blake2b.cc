#include "runtime/placement/blake2b.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace outrigger::runtime::placement {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kBlockBytes = 128;
using Words = std::array<std::uint64_t, 8>;

constexpr Words kInitial = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                            0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                            0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

constexpr std::uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

struct Mixer {
  std::uint64_t v[16];

  void mix(int a, int b, int c, int d, std::uint64_t x, std::uint64_t y) noexcept {
    v[a] += v[b] + x;
    v[d] = std::rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = std::rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 63);
  }
};

void compress(Words& state, const char* block, std::uint64_t bytes_so_far, bool last) noexcept {
  std::uint64_t m[16];
  std::memcpy(m, block, sizeof m);
  Mixer mixer{};
  std::ranges::copy(state, mixer.v);
  std::ranges::copy(kInitial, mixer.v + 8);
  mixer.v[12] ^= bytes_so_far;
  if (last) mixer.v[14] = ~mixer.v[14];
  for (int round = 0; round < 12; ++round) {
    const auto& s = kSigma[round % 10];
    mixer.mix(0, 4, 8, 12, m[s[0]], m[s[1]]);
    mixer.mix(1, 5, 9, 13, m[s[2]], m[s[3]]);
    mixer.mix(2, 6, 10, 14, m[s[4]], m[s[5]]);
    mixer.mix(3, 7, 11, 15, m[s[6]], m[s[7]]);
    mixer.mix(0, 5, 10, 15, m[s[8]], m[s[9]]);
    mixer.mix(1, 6, 11, 12, m[s[10]], m[s[11]]);
    mixer.mix(2, 7, 8, 13, m[s[12]], m[s[13]]);
    mixer.mix(3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < state.size(); ++i) state[i] ^= mixer.v[i] ^ mixer.v[i + 8];
}

}  // namespace

std::uint64_t blake2b_512_prefix(std::string_view bytes) noexcept {
  Words state = kInitial;
  state[0] ^= 0x01010040;  // 64 bytes of digest, no key, one leaf.
  std::uint64_t done = 0;
  while (bytes.size() > kBlockBytes) {
    done += kBlockBytes;
    compress(state, bytes.data(), done, false);
    bytes.remove_prefix(kBlockBytes);
  }
  char block[kBlockBytes] = {};
  std::ranges::copy(bytes, block);
  compress(state, block, done + bytes.size(), true);
  return state[0];
}

}  // namespace outrigger::runtime::placement
