#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "components/clients/wasm/instance.h"
#include "components/clients/wasm/wasi.h"
#include "net/message.h"

/// The "http-handler" ABI of http-wasm: how a guest looks at a request and its answer, and changes
/// them.
namespace outrigger::components::middleware::http_wasm {

struct Options {
  std::string guest_config;
  bool strict_sandbox = false;
  wasm::Allowance allowance;
};

/// What a guest has asked for.
enum Feature : std::uint32_t { buffer_request = 1, buffer_response = 2, trailers = 4 };

/// What one guest works on: a request, and the answer to it. Bodies are whole where the guest may
/// see them.
struct Exchange {
  net::Request request;
  net::Response response;
  std::string source_address;
  bool after_next = false;
  std::size_t request_read = 0, response_read = 0;
  bool request_written = false, response_written = false;
};

/// One instance of a guest. Used by one thread at a time.
class Guest final : private wasm::Resolver {
 public:
  /// Code::invalid_argument for a module that is no handler; what its start says.
  static Result<std::unique_ptr<Guest>> make(std::shared_ptr<const wasm::Module> module,
                                             std::shared_ptr<const Options> options);
  ~Guest() override;

  struct Verdict {
    bool next = false;  ///< Or the answer is in the exchange already.
    std::uint32_t context = 0;
  };
  Result<Verdict> handle_request(Exchange& exchange);
  /// After the next handler has answered. `failed`: it could not.
  Result<> handle_response(Exchange& exchange, std::uint32_t context, bool failed);

  /// What it takes by now.
  [[nodiscard]] std::size_t bytes() const noexcept { return instance_->bytes(); }
  [[nodiscard]] bool wants(Feature feature) const noexcept { return (features_ & feature) != 0; }
  /// Whether it may look at the bodies of requests.
  [[nodiscard]] static bool reads_bodies(const wasm::Module& module) noexcept;

 private:
  explicit Guest(std::shared_ptr<const Options> options);
  wasm::HostFunction find(const wasm::ImportedFunction& import,
                          const wasm::FunctionType& type) override;
  struct Calls;

  const std::shared_ptr<const Options> options_;
  wasm::Wasi wasi_;
  std::unique_ptr<wasm::Instance> instance_;
  Exchange* exchange_ = nullptr;
  // Those that it asked for at its start, and, while it works, for this exchange.
  std::uint32_t features_of_all_ = 0;
  std::uint32_t features_ = 0;
};

}  // namespace outrigger::components::middleware::http_wasm
