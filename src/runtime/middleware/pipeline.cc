#include "runtime/middleware/pipeline.h"

#include <algorithm>

#include "base/strings.h"

namespace outrigger::runtime::middleware {
namespace {

std::string version_or_first(std::string_view version) {
  return version.empty() ? "v1" : std::string(version);
}

}  // namespace

void Store::add(std::string name, std::string type, std::string version, Handler handler) {
  remove(name);
  entries_.push_back(
      {std::move(name), std::move(type), version_or_first(version), std::move(handler)});
  ++version_;
}

Store::Handler Store::remove(std::string_view name) {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  if (found == entries_.end()) return nullptr;
  Handler handler = std::move(found->handler);
  entries_.erase(found);
  ++version_;
  return handler;
}

Store::Handler Store::find(const resources::PipelineHandler& wanted) const {
  const auto found = std::ranges::find(entries_, wanted.name, &Entry::name);
  if (found == entries_.end()) return nullptr;
  const bool same = equals_fold(found->type, wanted.type) &&
                    equals_fold(found->version, version_or_first(wanted.version));
  return same ? found->handler : nullptr;
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
  auto response = co_await (*chain)[index]->handle(std::move(request), std::move(next));
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
  auto response = co_await step(chain_, 0, std::move(request), std::move(shared_root));
  co_return response;
}

}  // namespace outrigger::runtime::middleware
