// Reading any module and running all that it exports ends, soon, with a value or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "components/clients/wasm/instance.h"
#include "components/clients/wasm/wasi.h"

namespace {

using namespace outrigger::components::wasm;

class Offers final : public Resolver {
 public:
  Offers() { wasi_.strict_sandbox = true; }
  HostFunction find(const ImportedFunction& import, const FunctionType& type) override {
    return wasi_.find(import.name, type);
  }

 private:
  Wasi wasi_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto module = parse_module({reinterpret_cast<const char*>(data), size});
  if (!module) return 0;
  Offers offers;
  const Allowance little{.memory_pages_max = 16,
                         .table_entries_max = 1000,
                         .stack_slots_max = 10'000,
                         .frames_max = 100,
                         .time_max = std::chrono::milliseconds(20)};
  const auto instance = Instance::make(*module, offers, little);
  if (!instance) return 0;
  int calls = 0;
  for (const Export& one : (*module)->exports) {
    if (one.kind != Kind::function || ++calls > 8) continue;
    const auto& type = (*module)->type_of_function(one.index);
    (void)(*instance)->call(one.name, std::vector<std::uint64_t>(type.params.size(), 1));
  }
  return 0;
}
