#include "components/clients/wasm/wasi.h"

#include <algorithm>
#include <chrono>

#include "base/random.h"

namespace outrigger::components::wasm {
namespace {

// Error numbers of WASI.
constexpr std::uint32_t kSuccess = 0, kBadFile = 8, kInvalid = 28, kNotSupported = 52;
constexpr std::uint32_t kPartsMax = 1024;
// Of one call of random_get: what is more is the guest's mistake.
constexpr std::uint32_t kRandomBytesMax = 1U << 20;
// Of one call of fd_write, which then says that it has written no more.
constexpr std::uint64_t kWrittenBytesMax = 64U << 10;

std::uint32_t low(std::uint64_t slot) { return static_cast<std::uint32_t>(slot); }

}  // namespace

std::uint64_t Wasi::time(std::uint64_t clock) {
  if (strict_sandbox) return ++ticks_ * 1'000'000;
  const auto since = clock == 0 ? std::chrono::system_clock::now().time_since_epoch()
                                : std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

Result<std::uint32_t> Wasi::random(Instance& instance, std::uint32_t at, std::uint32_t bytes) {
  if (bytes > kRandomBytesMax) return kInvalid;
  OUT_TRY(const auto part, instance.memory(at, bytes));
  if (!strict_sandbox) {
    secure_random(part);
    return kSuccess;
  }
  for (std::uint8_t& byte : part) {
    seed_ = seed_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
    byte = static_cast<std::uint8_t>(seed_ >> 56);
  }
  return kSuccess;
}

/// fd_write(file, parts, count, written).
Result<std::uint32_t> Wasi::write(Instance& instance, std::span<const std::uint64_t> arguments) {
  const std::uint32_t file = low(arguments[0]);
  if (file != 1 && file != 2) return kBadFile;
  if (low(arguments[2]) > kPartsMax) return kInvalid;
  std::uint64_t written = 0;
  for (std::uint32_t i = 0; i < low(arguments[2]); ++i) {
    const std::uint32_t at = low(arguments[1]) + 8 * i;
    OUT_TRY(const auto begin, instance.read_number(at, 4));
    OUT_TRY(const auto size, instance.read_number(at + 4, 4));
    OUT_TRY(auto part, instance.memory(low(begin), low(size)));
    part = part.first(std::min<std::size_t>(part.size(), kWrittenBytesMax - written));
    if (output && !part.empty()) {
      output(static_cast<int>(file), {reinterpret_cast<const char*>(part.data()), part.size()});
    }
    written += part.size();
    if (part.size() < size) break;
  }
  OUT_CHECK(instance.write_number(low(arguments[3]), written, 4));
  return kSuccess;
}

Result<std::uint32_t> Wasi::call(std::string_view name, Instance& instance,
                                 std::span<const std::uint64_t> arguments) {
  const std::size_t count = arguments.size();
  if (name == "fd_write" && count == 4) return write(instance, arguments);
  if (name == "random_get" && count == 2) {
    return random(instance, low(arguments[0]), low(arguments[1]));
  }
  if (name == "clock_time_get" && count == 3) {
    if (low(arguments[0]) > 1) return kInvalid;
    OUT_CHECK(instance.write_number(low(arguments[2]), time(low(arguments[0])), 8));
    return kSuccess;
  }
  if (name == "clock_res_get" && count == 2) {
    OUT_CHECK(instance.write_number(low(arguments[1]), 1'000'000, 8));
    return kSuccess;
  }
  const bool sizes = name == "args_sizes_get" || name == "environ_sizes_get";
  if (sizes && count == 2) {
    OUT_CHECK(instance.write_number(low(arguments[0]), 0, 4));
    OUT_CHECK(instance.write_number(low(arguments[1]), 0, 4));
    return kSuccess;
  }
  if (name == "args_get" || name == "environ_get" || name == "sched_yield") return kSuccess;
  if (name == "fd_fdstat_get" && count == 2 && low(arguments[0]) <= 2) {
    OUT_TRY(const auto status, instance.memory(low(arguments[1]), 24));
    std::ranges::fill(status, std::uint8_t{0});
    status[0] = 2;  // A character device.
    return kSuccess;
  }
  if (name == "fd_close" && count == 1 && low(arguments[0]) <= 2) return kSuccess;
  // Also of fd_prestat_get: there are no folders.
  return name.starts_with("fd_") ? kBadFile : kNotSupported;
}

HostFunction Wasi::find(std::string_view name, const FunctionType& type) {
  if (name == "proc_exit" && type.params.size() == 1 && type.results.empty()) {
    return [](Instance&, std::span<std::uint64_t> slots) -> Result<> {
      return fail(Code::aborted, std::string(kExitMessage) + std::to_string(low(slots[0])));
    };
  }
  if (type.results != std::vector{ValueType::i32}) return nullptr;
  const std::size_t count = type.params.size();
  return [this, name = std::string(name), count](Instance& instance,
                                                 std::span<std::uint64_t> slots) -> Result<> {
    OUT_TRY(const auto status, call(name, instance, slots.first(count)));
    slots[0] = status;
    return {};
  };
}

}  // namespace outrigger::components::wasm
