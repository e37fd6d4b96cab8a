#include "components/state/store.h"

#include <limits>

#include "base/scope.h"
#include "base/strings.h"

namespace outrigger::components::state {
namespace {

// Calls of one bulk call that are under way at once when the caller has no wish or a larger one: a
// store or its server that is asked for all of a large request at once refuses some.
constexpr std::size_t kParallelMax = 1000;

std::size_t parallelism_of(const BulkOptions& options) {
  return options.parallelism == 0 ? kParallelMax : std::min(options.parallelism, kParallelMax);
}

Task<void> get_one(Store* store, GetRequest request, BulkItem* answer) {
  answer->item = co_await store->get(std::move(request));
}

/// Results land in slots of their own, for the tasks end in any order.
Task<void> set_one(Store* store, SetRequest request, std::optional<BulkFailure>* slot) {
  std::string key = request.key;
  auto done = co_await store->set(std::move(request));
  if (!done) slot->emplace(std::move(key), std::move(done).error());
}
Task<void> remove_one(Store* store, DeleteRequest request, std::optional<BulkFailure>* slot) {
  std::string key = request.key;
  auto done = co_await store->remove(std::move(request));
  if (!done) slot->emplace(std::move(key), std::move(done).error());
}

template <class Request>
Task<std::vector<BulkFailure>> write_all(Store* store, std::vector<Request> requests,
                                         BulkOptions options,
                                         Task<void> (*one)(Store*, Request,
                                                           std::optional<BulkFailure>*)) {
  std::vector<std::optional<BulkFailure>> slots(requests.size());
  std::vector<Task<void>> tasks;
  tasks.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    tasks.push_back(one(store, std::move(requests[i]), &slots[i]));
  }
  co_await run_all(std::move(tasks), parallelism_of(options));
  std::vector<BulkFailure> failures;
  for (auto& slot : slots) {
    if (slot) failures.push_back(std::move(*slot));
  }
  co_return failures;
}

}  // namespace

Result<Concurrency> parse_concurrency(std::string_view text) {
  if (text.empty()) return Concurrency::unspecified;
  if (text == "first-write") return Concurrency::first_write;
  if (text == "last-write") return Concurrency::last_write;
  return fail(Code::invalid_argument, "unrecognized concurrency model '" + std::string(text) + "'");
}

Result<Consistency> parse_consistency(std::string_view text) {
  if (text.empty()) return Consistency::unspecified;
  if (text == "strong") return Consistency::strong;
  if (text == "eventual") return Consistency::eventual;
  return fail(Code::invalid_argument, "unrecognized consistency model '" + std::string(text) + "'");
}

Error etag_mismatch(std::string_view detail) {
  std::string message = "possible etag mismatch. error from state store";
  if (!detail.empty()) message.append(": ").append(detail);
  return Error(Code::aborted, std::move(message));
}

Error etag_invalid(std::string_view detail) {
  std::string message = "invalid etag value";
  if (!detail.empty()) message.append(": ").append(detail);
  return Error(Code::invalid_argument, kInvalidEtagTag, std::move(message));
}

Result<std::optional<std::int64_t>> parse_ttl(const Properties& metadata) {
  const auto found = metadata.find(kTtlInSeconds);
  if (found == metadata.end() || found->second.empty()) return std::nullopt;
  const auto seconds = parse_int<std::int64_t>(found->second);
  if (!seconds) {
    return fail(Code::invalid_argument, "incorrect value for metadata 'ttlInSeconds': " +
                                            go_number_error("ParseInt", found->second));
  }
  if (*seconds < -1 || *seconds > std::numeric_limits<std::int32_t>::max()) {
    return fail(Code::invalid_argument,
                "incorrect value for metadata 'ttlInSeconds': must be -1 or greater");
  }
  return *seconds;
}

std::string go_number_error(std::string_view function, std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  const bool number =
      !digits.empty() && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  return "strconv." + std::string(function) + ": parsing " + outrigger::quoted(text) + ": " +
         (number ? "value out of range" : "invalid syntax");
}

Result<std::string> delete_prefix(std::string prefix) {
  if (prefix.empty() || prefix == "||") {
    return fail(Code::invalid_argument, "a prefix is required for deleteWithPrefix request");
  }
  if (!prefix.ends_with("||")) prefix += "||";
  return prefix;
}

Error empty_pattern() { return Error(Code::invalid_argument, "keys like pattern cannot be empty"); }

Task<Result<std::vector<BulkItem>>> Store::bulk_get(std::vector<GetRequest> requests,
                                                    BulkOptions options) {
  std::vector<BulkItem> answers(requests.size());
  std::vector<Task<void>> tasks;
  tasks.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    answers[i].key = requests[i].key;
    tasks.push_back(get_one(this, std::move(requests[i]), &answers[i]));
  }
  co_await run_all(std::move(tasks), parallelism_of(options));
  co_return answers;
}

Task<Result<std::vector<BulkFailure>>> Store::bulk_set(std::vector<SetRequest> requests,
                                                       BulkOptions options) {
  auto failures = co_await write_all(this, std::move(requests), options, &set_one);
  co_return failures;
}

Task<Result<std::vector<BulkFailure>>> Store::bulk_remove(std::vector<DeleteRequest> requests,
                                                          BulkOptions options) {
  auto failures = co_await write_all(this, std::move(requests), options, &remove_one);
  co_return failures;
}

Task<Result<>> Store::ping() { co_return Result<>(); }

std::vector<std::string> features(Store& store) {
  std::vector<std::string> names;
  const auto traits = store.traits();
  if (traits.etag) names.emplace_back("ETAG");
  if (store.transactional() != nullptr) names.emplace_back("TRANSACTIONAL");
  if (traits.ttl) names.emplace_back("TTL");
  if (store.prefix_deleter() != nullptr) names.emplace_back("DELETE_WITH_PREFIX");
  if (store.keys_lister() != nullptr) names.emplace_back("KEYS_LIKE");
  if (store.queriable() != nullptr) names.emplace_back("QUERY_API");
  if (traits.partition_key) names.emplace_back("PARTITION_KEY");
  return names;
}

}  // namespace outrigger::components::state
