#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/blocking_pool.h"
#include "components/clients/wasm/module.h"

/// What middlewares with guests in WebAssembly have in common.
namespace outrigger::components::middleware {

using ModulePtr = std::shared_ptr<const wasm::Module>;

/// Guests run here: never on a loop, and apart from other work that blocks.
BlockingPool& guest_threads();

/// The code of one component, read and checked once for all loops. Thread-safe.
class GuestCode {
 public:
  /// Code::invalid_argument for an address that is not of file://, http:// or https://.
  static Result<> check_url(const std::string& url);
  /// The module at that address, from the first call's time.
  static Task<Result<ModulePtr>> load(std::shared_ptr<GuestCode> code, std::string url);

 private:
  Result<ModulePtr> parse(const std::string& url, std::string bytes);
  std::mutex mutex_;
  ModulePtr module_;
};

}  // namespace outrigger::components::middleware
