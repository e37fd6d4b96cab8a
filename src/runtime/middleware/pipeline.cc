#include "runtime/middleware/pipeline.h"

#include <algorithm>

#include "base/strings.h"

namespace outrigger::runtime::middleware {
namespace {

std::string version_or_first(std::string_view version) {
  return version.empty() ? "v1" : std::string(version);
}

}  // namespace

OpenMiddleware::OpenMiddleware(std::string name, std::string type, std::string version,
                               std::unique_ptr<components::middleware::Middleware> middleware)
    : name_(std::move(name)),
      type_(std::move(type)),
      version_(version_or_first(version)),
      middleware_(std::move(middleware)) {}

bool OpenMiddleware::is(const resources::PipelineHandler& wanted) const {
  return name_ == wanted.name && equals_fold(type_, wanted.type) &&
         equals_fold(version_, version_or_first(wanted.version));
}

Task<void> OpenMiddleware::close() {
  while (uses_ > 0) {
    [[maybe_unused]] const auto woken = co_await unused_.wait();
  }
  co_await middleware_->close();
}

Store::Handler Store::add(Handler handler) {
  ++version_;
  const auto found = std::ranges::find(entries_, handler->name(), &OpenMiddleware::name);
  if (found != entries_.end()) return std::exchange(*found, std::move(handler));
  entries_.push_back(std::move(handler));
  return nullptr;
}

Store::Handler Store::take_out(std::string_view name) {
  const auto found = std::ranges::find(entries_, name, &OpenMiddleware::name);
  if (found == entries_.end()) return nullptr;
  Handler handler = std::move(*found);
  entries_.erase(found);
  ++version_;
  return handler;
}

Store::Handler Store::find(const resources::PipelineHandler& wanted) const {
  for (const Handler& handler : entries_) {
    if (handler->is(wanted)) return handler;
  }
  return nullptr;
}

/// A request on its way: none of the chain is closed before it is through.
class Pipeline::Passage {
 public:
  explicit Passage(std::shared_ptr<const Chain> chain) : chain_(std::move(chain)) {
    for (const auto& handler : *chain_) handler->enter();
  }
  ~Passage() {
    for (const auto& handler : *chain_) handler->leave();
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

 private:
  std::shared_ptr<const Chain> chain_;
};

void Pipeline::set_handlers(std::vector<resources::PipelineHandler> handlers) {
  handlers_ = std::move(handlers);
  built_from_ = UINT64_MAX;
}

Task<net::Response> Pipeline::step(std::shared_ptr<const Chain> chain, std::size_t index,
                                   net::Request request, std::shared_ptr<Next> root) {
  if (index == chain->size()) {
    auto response = co_await (*root)(std::move(request));
    co_return response;
  }
  Next next = [chain, index, root](net::Request passed) {
    return step(chain, index + 1, std::move(passed), root);
  };
  auto response =
      co_await (*chain)[index]->middleware().handle(std::move(request), std::move(next));
  co_return response;
}

Task<net::Response> Pipeline::run(net::Request request, Next root) {
  if (built_from_ != store_.version()) {
    Chain chain;
    for (const auto& wanted : handlers_) {
      if (auto handler = store_.find(wanted)) chain.push_back(std::move(handler));
    }
    chain_ = std::make_shared<const Chain>(std::move(chain));
    built_from_ = store_.version();
  }
  auto shared_root = std::make_shared<Next>(std::move(root));
  const Passage passage(chain_);
  auto response = co_await step(chain_, 0, std::move(request), std::move(shared_root));
  co_return response;
}

}  // namespace outrigger::runtime::middleware
