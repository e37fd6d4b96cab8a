#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "components/clients/wasm/instance.h"

namespace outrigger::components::middleware {

/// A policy that Open Policy Agent has compiled to WebAssembly ("opa build -t wasm"), by version 1
/// of its ABI. Used by one thread at a time.
class OpaPolicy final : private wasm::Resolver {
 public:
  /// `entrypoint`: the rule that is asked, "http/allow". Code::invalid_argument for a module that
  /// is no policy, does not have the rule, or needs functions that only OPA itself has.
  static Result<std::unique_ptr<OpaPolicy>> make(std::shared_ptr<const wasm::Module> module,
                                                 std::string entrypoint, wasm::Allowance allowance);
  ~OpaPolicy() override;

  /// What the rule says of the input, both JSON; nullopt: it says nothing.
  Result<std::optional<std::string>> evaluate(std::string_view input);

 private:
  OpaPolicy();
  wasm::HostFunction find(const wasm::ImportedFunction& import,
                          const wasm::FunctionType& type) override;
  Result<> prepare(std::string_view entrypoint);
  Result<std::uint32_t> call(std::string_view name, std::vector<std::uint64_t> arguments);
  Result<std::string> dumped(std::string_view name);
  Result<std::uint32_t> put(std::string_view text);

  std::unique_ptr<wasm::Instance> instance_;
  std::uint32_t entrypoint_ = 0;
  std::uint32_t data_ = 0;
  std::uint32_t heap_ = 0;
};

}  // namespace outrigger::components::middleware
