#include "components/nameresolution/address_book.h"

#include "base/random.h"
#include "base/sync.h"

namespace outrigger::components::nameresolution {
namespace {

using namespace std::chrono_literals;

constexpr Duration kKept = 20s;
constexpr std::size_t kKeptMax = 1024;
constexpr int kRetries = 5;
constexpr Duration kRetryAfter = 100ms;

std::string key_of(const ResolveRequest& request) {
  return request.app_namespace + "/" + request.id + "/" + std::to_string(request.port);
}

const std::string& pick(const std::vector<std::string>& addresses) {
  return addresses[fast_random_below(addresses.size())];
}

}  // namespace

std::optional<std::string> AddressBook::find_now(const ResolveRequest& request) {
  if (resolver_.multi() == nullptr) return resolver_.resolve_now(request);
  const auto found = kept_.find(key_of(request));
  if (found == kept_.end() || Loop::current().now() >= found->second.until) return std::nullopt;
  return pick(found->second.addresses);
}

Task<Result<std::string>> AddressBook::find(ResolveRequest request) {
  auto known = find_now(request);
  if (known && !known->empty()) co_return std::move(*known);
  MultiResolver* const multi = resolver_.multi();
  if (multi != nullptr) {
    auto one = co_await find_many(multi, std::move(request));
    co_return one;
  }
  for (int retries = kRetries;; --retries) {
    ResolveRequest again = request;
    auto address = co_await resolver_.resolve(std::move(again));
    if (!address || !address->empty()) co_return address;
    if (retries == 0) break;
    auto slept = co_await sleep_for(kRetryAfter);
    if (!slept) co_return fail(std::move(slept).error());
  }
  co_return fail(Code::not_found, "resolver returned empty address for app id " +
                                      request.app_namespace + "/" + request.id);
}

Task<Result<std::string>> AddressBook::find_many(MultiResolver* multi, ResolveRequest request) {
  const std::string key = key_of(request);
  auto addresses = co_await multi->resolve_many(std::move(request));
  if (!addresses) co_return fail(std::move(addresses).error());
  if (addresses->empty()) co_return std::string();
  std::string chosen = pick(*addresses);
  if (kept_.size() >= kKeptMax) kept_.clear();
  kept_.insert_or_assign(key, Kept{std::move(*addresses), Loop::current().now() + kKept});
  co_return chosen;
}

void AddressBook::failed(const ResolveRequest& request, std::string_view address) {
  resolver_.evict(request.id, address);
  kept_.erase(key_of(request));
}

}  // namespace outrigger::components::nameresolution
