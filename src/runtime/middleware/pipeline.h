#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/middleware/middleware.h"
#include "resources/configuration.h"

/// What stands between clients and the HTTP API (httpPipeline), and between the sidecar and its
/// application (appHttpPipeline): components in the order that the Configuration names them.
namespace outrigger::runtime::middleware {

using components::middleware::Next;

/// The middlewares that are open, of one loop.
class Store {
 public:
  using Handler = std::shared_ptr<components::middleware::Middleware>;
  void add(std::string name, std::string type, std::string version, Handler handler);
  /// The object, which may be in use still; nullptr if there is none.
  Handler remove(std::string_view name);
  [[nodiscard]] Handler find(const resources::PipelineHandler& wanted) const;
  /// Changes with each add() and remove().
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  struct Entry {
    std::string name, type, version;
    Handler handler;
  };
  std::vector<Entry> entries_;
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
  /// Through all of them to `root`.
  Task<net::Response> run(net::Request request, Next root);

 private:
  using Chain = std::vector<Store::Handler>;
  static Task<net::Response> step(std::shared_ptr<const Chain> chain, std::size_t index,
                                  net::Request request, std::shared_ptr<Next> root);

  const Store& store_;
  const std::vector<resources::PipelineHandler> handlers_;
  std::shared_ptr<const Chain> chain_;
  std::uint64_t built_from_ = UINT64_MAX;
};

}  // namespace outrigger::runtime::middleware
