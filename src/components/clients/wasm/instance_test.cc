#include "components/clients/wasm/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/clients/wasm/testing.h"
#include "components/clients/wasm/wasi.h"

namespace outrigger::components::wasm {
namespace {

using testing::HasSubstr;

/// Offers env.add_to_memory(i32) and WASI.
class Offers final : public Resolver {
 public:
  HostFunction find(const ImportedFunction& import, const FunctionType& type) override {
    if (import.module == "wasi_snapshot_preview1") return wasi.find(import.name, type);
    if (import.name != "poke") return nullptr;
    return [](Instance& instance, std::span<std::uint64_t> slots) -> Result<> {
      return instance.write_number(static_cast<std::uint32_t>(slots[0]), 0x2a, 1);
    };
  }
  Wasi wasi;
};

/// A module that exports "f" of that type with that code, and a memory of a page.
std::string with_function(const std::string& type, const std::string& code,
                          const std::string& locals = std::string(1, '\0')) {
  Binary binary;
  binary.section(1, vec({type}));
  binary.section(3, vec({leb(0)}));
  binary.section(4, vec({std::string("\x70\x00\x02", 3)}));
  binary.section(5, vec({std::string("\x00\x01", 2)}));
  binary.section(7, vec({sized("f") + '\0' + leb(0), sized("memory") + '\x02' + leb(0)}));
  binary.section(10, vec({sized(locals + code + '\x0b')}));
  return binary.bytes;
}

Result<std::vector<std::uint64_t>> run(const std::string& module,
                                       std::vector<std::uint64_t> arguments = {},
                                       Allowance allowance = {}) {
  Offers offers;
  OUT_TRY(auto parsed, parse_module(module));
  OUT_TRY(auto instance, Instance::make(std::move(parsed), offers, allowance));
  return instance->call("f", std::move(arguments));
}
std::string error_of(const std::string& module, Allowance allowance = {}) {
  const auto result = run(module, {}, allowance);
  return result ? "no error" : result.error().message();
}

// Types and pieces of code.
const std::string kToNothing("\x60\x00\x00", 3);
const std::string kToI32("\x60\x00\x01\x7f", 4);
const std::string kI32ToI32("\x60\x01\x7f\x01\x7f", 5);
std::string i32(std::int32_t value) { return '\x41' + sleb(value); }

TEST(WasmInstance, Computes) {
  // f(n) = n <= 1 ? 1 : n * f(n - 1)
  const std::string factorial = std::string("\x20\x00", 2) + i32(1) + "\x4c\x04\x7f" + i32(1) +
                                std::string("\x05\x20\x00\x20\x00", 5) + i32(1) +
                                std::string("\x6b\x10\x00\x6c\x0b", 5);
  EXPECT_EQ(run(with_function(kI32ToI32, factorial), {5})->at(0), 120U);
  EXPECT_EQ(error_of(with_function(kToI32, i32(1) + i32(0) + "\x6d")), "integer divide by zero");
  EXPECT_EQ(error_of(with_function(kToNothing, std::string(1, '\0'))), "unreachable");
}

TEST(WasmInstance, AnEndlessLoopEnds) {
  const Allowance short_time{.time_max = std::chrono::milliseconds(5)};
  const std::string loop("\x03\x40\x0c\x00\x0b", 5);
  const auto ended = run(with_function(kToNothing, loop), {}, short_time);
  EXPECT_EQ(ended.error().code(), Code::deadline_exceeded);
  // Also one that fills its memory again and again: work in one step is paid for.
  const std::string fills = std::string("\x03\x40", 2) + i32(0) + i32(0) + i32(65'536) +
                            std::string("\xfc\x0b\x00\x0c\x00\x0b", 6);
  EXPECT_EQ(run(with_function(kToNothing, fills), {}, short_time).error().code(),
            Code::deadline_exceeded);
}

TEST(WasmInstance, EndlessRecursionEnds) {
  EXPECT_EQ(error_of(with_function(kToNothing, std::string("\x10\x00", 2))),
            "call stack exhausted");
  // Few frames, many locals.
  const std::string locals = leb(1) + leb(40'000) + '\x7e';
  EXPECT_EQ(error_of(with_function(kToNothing, std::string("\x10\x00", 2), locals)),
            "call stack exhausted");
}

TEST(WasmInstance, MemoryGrowsAsFarAsItMay) {
  const std::string grow = i32(2) + std::string("\x40\x00", 2);
  EXPECT_EQ(run(with_function(kToI32, grow), {}, {.memory_pages_max = 3})->at(0), 1U);
  EXPECT_EQ(run(with_function(kToI32, grow), {}, {.memory_pages_max = 2})->at(0), UINT32_MAX);
  EXPECT_THAT(error_of(with_function(kToI32, grow), {.memory_pages_max = 0}),
              HasSubstr("more memory"));
}

TEST(WasmInstance, NothingIsReadOutsideOfTheMemory) {
  for (const std::int32_t at : {65'533, -1, -4}) {
    EXPECT_EQ(error_of(with_function(kToI32, i32(at) + std::string("\x28\x02\x00", 3))),
              "out of bounds memory access");
  }
  const std::string far_offset = i32(-1) + "\x28\x02" + leb(UINT32_MAX);
  EXPECT_EQ(error_of(with_function(kToI32, far_offset)), "out of bounds memory access");
  EXPECT_EQ(error_of(with_function(kToI32, i32(2) + std::string("\x11\x00\x00", 3))),
            "undefined element");
  EXPECT_EQ(error_of(with_function(kToI32, i32(1) + std::string("\x11\x00\x00", 3))),
            "uninitialized element");
}

TEST(WasmModule, ThatIsMalformedIsRefused) {
  const std::string good = with_function(kToI32, i32(1));
  EXPECT_TRUE(parse_module(good));
  for (std::size_t size = 0; size < good.size(); ++size) {
    // At the end of a section there is a module again, but of another meaning.
    [[maybe_unused]] const auto cut = parse_module(good.substr(0, size));
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int bits : {1, 0x80, 0xff}) {
      std::string other = good;
      other[i] = static_cast<char>(other[i] ^ bits);
      [[maybe_unused]] const auto changed = run(other, {}, {.time_max = std::chrono::seconds(1)});
    }
  }
  for (const std::string& code :
       {std::string(), i32(1) + i32(1), std::string("\x20\x00", 2), std::string("\x10\x05", 2),
        std::string("\x0c\x01", 2), std::string("\x6a"), std::string("\xfd\x00", 2),
        std::string("\x23\x00", 2), std::string("\x42\x00", 2), std::string("\x05"),
        i32(0) + std::string("\x28\x03\x00", 3), i32(0) + std::string("\x11\x09\x00", 3)}) {
    EXPECT_FALSE(parse_module(with_function(kToI32, code)));
  }
  EXPECT_FALSE(parse_module(with_function(kToI32, i32(1), leb(1) + leb(UINT32_MAX) + '\x7f')));
  EXPECT_FALSE(parse_module(std::string(kModuleBytesMax + 1, 'x')));
}

/// A module that imports `function` of that type and calls it with that code.
std::string with_import(const std::string& module, const std::string& name, const std::string& type,
                        const std::string& code) {
  Binary binary;
  binary.section(1, vec({kToI32, type}));
  binary.section(2, vec({sized(module) + sized(name) + '\0' + leb(1)}));
  binary.section(3, vec({leb(0)}));
  binary.section(5, vec({std::string("\x00\x01", 2)}));
  binary.section(7, vec({sized("f") + '\0' + leb(1)}));
  binary.section(10, vec({sized(std::string(1, '\0') + code + '\x0b')}));
  return binary.bytes;
}
const std::string kI32ToNothing("\x60\x01\x7f\x00", 4);

TEST(WasmModule, ItsBlocksAreNoWayToFillTheMemory) {
  const std::string wide = std::string("\x60\x00", 2) + leb(1000) + std::string(1000, '\x7f');
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += std::string("\x02\x00", 2);
  EXPECT_THAT(error_of(with_function(wide, deep)), HasSubstr("nested too deeply"));
  // One after the other they may be as many as they like.
  std::string flat;
  for (int i = 0; i < 2000; ++i) flat += std::string("\x02\x00\x00\x0b\x00", 5);
  EXPECT_EQ(error_of(with_function(wide, flat)), "unreachable");
}

TEST(WasmInstance, CallsWhatIsOffered) {
  const std::string pokes =
      i32(7) + std::string("\x10\x00", 2) + i32(7) + std::string("\x2d\x00\x00", 3);
  EXPECT_EQ(run(with_import("env", "poke", kI32ToNothing, pokes))->at(0), 0x2aU);
  const std::string outside = i32(-1) + std::string("\x10\x00", 2) + i32(7);
  EXPECT_EQ(error_of(with_import("env", "poke", kI32ToNothing, outside)),
            "out of bounds memory access");
  EXPECT_EQ(error_of(with_import("env", "other", kI32ToNothing, pokes)),
            "unknown import env.other");
}

TEST(Wasi, IsThereForGuestsWithoutFiles) {
  const std::string wasi = "wasi_snapshot_preview1";
  EXPECT_EQ(error_of(with_import(wasi, "proc_exit", kI32ToNothing,
                                 i32(3) + std::string("\x10\x00", 2) + i32(0))),
            std::string(kExitMessage) + "3");
  const std::string two("\x60\x02\x7f\x7f\x01\x7f", 6);
  const std::string call("\x10\x00", 2);
  EXPECT_EQ(run(with_import(wasi, "random_get", two, i32(0) + i32(8) + call))->at(0), 0U);
  EXPECT_EQ(error_of(with_import(wasi, "random_get", two, i32(65'530) + i32(8) + call)),
            "out of bounds memory access");
  EXPECT_EQ(run(with_import(wasi, "fd_prestat_get", two, i32(3) + i32(0) + call))->at(0), 8U);
  EXPECT_EQ(run(with_import(wasi, "path_unlink", two, i32(3) + i32(0) + call))->at(0), 52U);
  // "hi" at 8, the part at 0.
  std::string said;
  Offers offers;
  offers.wasi.output = [&](int stream, std::string_view text) {
    said += std::to_string(stream) + std::string(text);
  };
  const std::string four("\x60\x04\x7f\x7f\x7f\x7f\x01\x7f", 8);
  const std::string store8("\x3a\x00\x00", 3);
  const std::string code = i32(8) + i32('h') + store8 + i32(9) + i32('i') + store8 + i32(0) +
                           i32(8) + store8 + i32(4) + i32(2) + store8 + i32(2) + i32(0) + i32(1) +
                           i32(16) + call;
  const auto module = parse_module(with_import(wasi, "fd_write", four, code));
  const auto instance = Instance::make(*module, offers, {});
  EXPECT_EQ((*instance)->call("f", {})->at(0), 0U);
  EXPECT_EQ(said, "2hi");
}

TEST(Wasi, WritesNoMoreThanSoMuchAtOnce) {
  std::size_t written = 0;
  Offers offers;
  offers.wasi.output = [&](int, std::string_view text) { written += text.size(); };
  const std::string four("\x60\x04\x7f\x7f\x7f\x7f\x01\x7f", 8);
  const std::string store32("\x36\x00\x00", 3);
  const std::string load32("\x28\x00\x00", 3);
  // Two parts of 40,000 bytes each.
  const std::string code = i32(4) + i32(40'000) + store32 + i32(12) + i32(40'000) + store32 +
                           i32(1) + i32(0) + i32(2) + i32(16) + std::string("\x10\x00\x1a", 3) +
                           i32(16) + load32;
  const auto module = parse_module(with_import("wasi_snapshot_preview1", "fd_write", four, code));
  const auto instance = Instance::make(*module, offers, {});
  EXPECT_EQ((*instance)->call("f", {})->at(0), 65'536U);
  EXPECT_EQ(written, 65'536U);
}

TEST(Wasm, AModuleWhoseInstructionsMoveTooManyValuesToBeCheckedIsRefused) {
  const auto calls = [](unsigned count) {
    // It takes a thousand values and gives as many, which its code gives to itself again.
    const std::string thousand = leb(1000) + std::string(1000, '\x7f');
    std::string body = std::string("\x00\x00", 2);
    for (unsigned i = 0; i < count; ++i) body += std::string("\x10\x00", 2);
    Binary binary;
    binary.section(1, vec({'\x60' + thousand + thousand}));
    binary.section(3, vec({leb(0)}));
    binary.section(10, vec({sized(body + '\x0b')}));
    return parse_module(binary.bytes);
  };
  EXPECT_TRUE(calls(1000));
  const auto refused = calls(100'000);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message().contains("too many values")) << refused.error().message();
}

}  // namespace
}  // namespace outrigger::components::wasm
