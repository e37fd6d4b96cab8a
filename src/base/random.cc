#include "base/random.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/random.h>

#include "base/result.h"

namespace outrigger {
namespace {

void from_kernel(std::uint8_t* out, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::getrandom(out, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    OUT_ASSERT(got > 0);
    out += got;
    bytes -= static_cast<std::size_t>(got);
  }
}

/// One system call serves 32 ids. What was handed out is wiped, so that a later leak of memory
/// does not show it. Threads only: a forked child must not use it before exec.
class Pool {
 public:
  void take(std::span<std::uint8_t> out) {
    if (out.size() > bytes_.size()) {
      from_kernel(out.data(), out.size());
      return;
    }
    if (out.size() > bytes_.size() - used_) {
      from_kernel(bytes_.data(), bytes_.size());
      used_ = 0;
    }
    std::memcpy(out.data(), bytes_.data() + used_, out.size());
    std::memset(bytes_.data() + used_, 0, out.size());
    used_ += out.size();
  }

 private:
  std::array<std::uint8_t, 512> bytes_{};
  std::size_t used_ = 512;
};

// SplitMix64 (Steele, Lea, Flood 2014): one add and three multiply-xor steps.
struct SplitMix {
  std::uint64_t state;

  SplitMix() noexcept { from_kernel(reinterpret_cast<std::uint8_t*>(&state), sizeof(state)); }

  std::uint64_t next() noexcept {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
};

}  // namespace

void secure_random(std::span<std::uint8_t> out) {
  if (out.empty()) return;
  thread_local Pool pool;
  pool.take(out);
}

std::string secure_random_bytes(std::size_t bytes) {
  std::string out(bytes, '\0');
  secure_random({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

std::uint64_t fast_random() noexcept {
  thread_local SplitMix generator;
  return generator.next();
}

std::uint64_t fast_random_below(std::uint64_t limit) noexcept {
  // Multiply-shift: the bias is below limit / 2^64.
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(fast_random()) * limit) >> 64);
}

double fast_random_unit() noexcept { return static_cast<double>(fast_random() >> 11) * 0x1p-53; }

}  // namespace outrigger
