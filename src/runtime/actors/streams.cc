#include "runtime/actors/streams.h"

#include <algorithm>

namespace outrigger::runtime::actors {

void Streams::add(Open open) {
  const std::lock_guard lock(mutex_);
  open_.push_back(std::move(open));
}

std::vector<std::string> Streams::remove(const ActorStream* stream) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::ranges::find_if(open_, [&](const Open& open) { return open.stream.get() == stream; });
  if (found == open_.end()) return {};
  std::vector<std::string> types = std::move(found->types);
  open_.erase(found);
  std::erase_if(types, [&](const std::string& type) {
    return std::ranges::any_of(open_, [&](const Open& open) {
      return std::ranges::find(open.types, type) != open.types.end();
    });
  });
  return types;
}

Streams::Open Streams::newest() const {
  const std::lock_guard lock(mutex_);
  return open_.empty() ? Open() : open_.back();
}

Task<Result<std::string>> StreamCallbacks::ask(ActorStream::Kind kind, std::string unnumbered) {
  const Streams::Open open = streams_.newest();
  if (!open.stream) co_return fail(Code::unknown, "actor host is not connected");
  std::move_only_function<Task<Result<std::string>>()> there =
      [stream = open.stream, kind, message = std::move(unnumbered)]() mutable {
        return stream->ask(kind, std::move(message));
      };
  auto answer = co_await call_on<std::string>(*open.loop, std::move(there));
  co_return answer;
}

}  // namespace outrigger::runtime::actors
