#include "components/middleware/opa_policy.h"

#include "base/json.h"
#include "base/log.h"

namespace outrigger::components::middleware {
namespace {

using wasm::Instance;
using Slots = std::span<std::uint64_t>;

const Logger log("dapr.contrib");

}  // namespace

OpaPolicy::OpaPolicy() = default;
OpaPolicy::~OpaPolicy() = default;

wasm::HostFunction OpaPolicy::find(const wasm::ImportedFunction& import,
                                   const wasm::FunctionType& type) {
  if (import.module != "env") return nullptr;
  if (import.name == "opa_abort" && type.params.size() == 1) {
    return [](Instance& instance, Slots slots) -> Result<> {
      OUT_TRY(auto why, instance.read_text(static_cast<std::uint32_t>(slots[0])));
      return fail(Code::aborted, std::move(why));
    };
  }
  if (import.name == "opa_println" && type.params.size() == 1) {
    return [](Instance& instance, Slots slots) -> Result<> {
      OUT_TRY(const auto text, instance.read_text(static_cast<std::uint32_t>(slots[0])));
      log.debug("rego: ", text);
      return {};
    };
  }
  if (!import.name.starts_with("opa_builtin")) return nullptr;
  // Those that a policy needs are asked for when it is opened.
  return [](Instance&, Slots) -> Result<> {
    return fail(Code::unimplemented, "the policy calls a function that only OPA itself has");
  };
}

Result<std::unique_ptr<OpaPolicy>> OpaPolicy::make(std::shared_ptr<const wasm::Module> module,
                                                   std::string entrypoint,
                                                   wasm::Allowance allowance) {
  std::unique_ptr<OpaPolicy> policy(new OpaPolicy());
  auto instance = Instance::make(std::move(module), *policy, allowance);
  if (!instance) return std::unexpected(std::move(instance).error().context("not a policy"));
  policy->instance_ = *std::move(instance);
  auto prepared = policy->prepare(entrypoint);
  if (!prepared) return std::unexpected(std::move(prepared).error().context("not a policy"));
  return policy;
}

Result<std::uint32_t> OpaPolicy::call(std::string_view name, std::vector<std::uint64_t> arguments) {
  OUT_TRY(const auto results, instance_->call(name, std::move(arguments)));
  return results.empty() ? 0 : static_cast<std::uint32_t>(results[0]);
}

/// The JSON of the value that a function without arguments gives.
Result<std::string> OpaPolicy::dumped(std::string_view name) {
  OUT_TRY(const auto value, call(name, {}));
  OUT_TRY(const auto text, call("opa_json_dump", {value}));
  return instance_->read_text(text);
}

Result<std::uint32_t> OpaPolicy::put(std::string_view text) {
  OUT_TRY(const auto at, call("opa_malloc", {text.size()}));
  OUT_CHECK(instance_->write(at, text));
  return at;
}

Result<> OpaPolicy::prepare(std::string_view entrypoint) {
  OUT_TRY(const auto builtins, dumped("builtins"));
  json::ObjectReader needed(builtins);
  std::string missing;
  while (needed.next()) missing += (missing.empty() ? "" : ", ") + std::string(needed.key());
  if (!missing.empty()) {
    return fail(Code::invalid_argument, "it needs functions that only OPA itself has (" + missing +
                                            "): use a server of OPA by opaURL");
  }
  OUT_TRY(const auto entrypoints, dumped("entrypoints"));
  const auto number = json::member(entrypoints, entrypoint);
  const auto id = number ? json::int_value(*number) : std::nullopt;
  if (!id) {
    return fail(Code::invalid_argument, "it has no entrypoint " + std::string(entrypoint) +
                                            ", only " + entrypoints.substr(0, 1000));
  }
  entrypoint_ = static_cast<std::uint32_t>(*id);
  OUT_TRY(const auto none, put("{}"));
  OUT_TRY(data_, call("opa_json_parse", {none, 2}));
  OUT_TRY(heap_, call("opa_heap_ptr_get", {}));
  return {};
}

Result<std::optional<std::string>> OpaPolicy::evaluate(std::string_view input) {
  // What the last evaluation left is given up.
  OUT_TRY([[maybe_unused]] const auto set, call("opa_heap_ptr_set", {heap_}));
  OUT_TRY(const auto at, put(input));
  OUT_TRY(const auto heap, call("opa_heap_ptr_get", {}));
  OUT_TRY(const auto answer, call("opa_eval", {0, entrypoint_, data_, at, input.size(), heap, 0}));
  OUT_TRY(const auto text, instance_->read_text(answer));
  json::ArrayReader results(text);
  std::optional<std::string> found;
  while (results.next()) {
    if (const auto result = json::member(results.value(), "result")) found = std::string(*result);
  }
  if (results.ok()) return found;
  return fail(Code::internal, "the policy's answer is not JSON");
}

}  // namespace outrigger::components::middleware
