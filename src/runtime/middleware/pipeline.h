#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sync.h"
#include "components/middleware/middleware.h"
#include "resources/configuration.h"

/// What stands between clients and the HTTP API (httpPipeline), and between the sidecar and its
/// application (appHttpPipeline): components in the order that the Configuration names them.
namespace outrigger::runtime::middleware {

using components::middleware::Next;

/// A configured middleware as one loop has it. Shared by the requests that pass through it, so that
/// it can be taken out of use under them.
class OpenMiddleware {
 public:
  OpenMiddleware(std::string name, std::string type, std::string version,
                 std::unique_ptr<components::middleware::Middleware> middleware);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Whether the Configuration means this one.
  [[nodiscard]] bool is(const resources::PipelineHandler& wanted) const;
  [[nodiscard]] components::middleware::Middleware& middleware() noexcept { return *middleware_; }

  /// While a request is in a chain with it.
  void enter() noexcept { ++uses_; }
  void leave() noexcept {
    if (--uses_ == 0) unused_.notify_all();
  }
  /// Waits for those requests, then closes the middleware. Not to be cancelled.
  Task<void> close();

 private:
  std::string name_, type_, version_;
  std::unique_ptr<components::middleware::Middleware> middleware_;
  std::size_t uses_ = 0;
  Signal unused_;
};

/// The middlewares that are open, of one loop.
class Store {
 public:
  using Handler = std::shared_ptr<OpenMiddleware>;
  /// Puts it into use. Gives the one of that name whose place it took, for the caller to close; or
  /// nullptr.
  Handler add(Handler handler);
  /// Takes it out of use and gives it, for the caller to close; nullptr if there is none.
  Handler take_out(std::string_view name);
  [[nodiscard]] Handler find(const resources::PipelineHandler& wanted) const;
  /// Changes with each add() and take_out().
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  std::vector<Handler> entries_;
  std::uint64_t version_ = 0;
};

/// One pipeline of one loop. Those of its middlewares that are not open are left out, as upstream
/// has it.
class Pipeline {
 public:
  /// The store must outlive it.
  Pipeline(const Store& store, std::vector<resources::PipelineHandler> handlers)
      : store_(store), handlers_(std::move(handlers)) {}

  [[nodiscard]] bool empty() const noexcept { return handlers_.empty(); }
  /// For requests that come from now on.
  void set_handlers(std::vector<resources::PipelineHandler> handlers);
  /// Through all of them to `root`.
  Task<net::Response> run(net::Request request, Next root);

 private:
  using Chain = std::vector<Store::Handler>;
  class Passage;
  static Task<net::Response> step(std::shared_ptr<const Chain> chain, std::size_t index,
                                  net::Request request, std::shared_ptr<Next> root);

  const Store& store_;
  std::vector<resources::PipelineHandler> handlers_;
  std::shared_ptr<const Chain> chain_;
  std::uint64_t built_from_ = UINT64_MAX;
};

}  // namespace outrigger::runtime::middleware
