#include "base/scope.h"
#include "base/strings.h"
#include "components/component.h"
#include "components/state/in_memory_table.h"
#include "components/state/store.h"

namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

/// A scan lets the loop turn after about so many items.
constexpr std::size_t kScanSlice = 2000;

class InMemoryStore final : public Store,
                            private Transactional,
                            private PrefixDeleter,
                            private KeysLister {
 public:
  explicit InMemoryStore(std::shared_ptr<InMemoryTable> table)
      : table_(std::move(table)), sweep_timer_([this] { sweep(); }) {}

  Task<Result<>> init() override { co_return Result<>(); }

  Task<Result<std::optional<Item>>> get(GetRequest request) override {
    co_return table_->get(request.key, InMemoryTable::now());
  }

  Task<Result<>> set(SetRequest request) override {
    auto done = table_->set(std::move(request), InMemoryTable::now());
    plan_sweep();
    co_return done;
  }

  Task<Result<>> remove(DeleteRequest request) override {
    co_return table_->remove(request, InMemoryTable::now());
  }

  Task<Result<std::vector<BulkItem>>> bulk_get(std::vector<GetRequest> requests,
                                               BulkOptions) override {
    const auto now = InMemoryTable::now();
    std::vector<BulkItem> answers;
    answers.reserve(requests.size());
    for (auto& request : requests) {
      auto item = table_->get(request.key, now);
      answers.push_back({.key = std::move(request.key), .item = std::move(item)});
    }
    co_return answers;
  }

  Task<void> close() override {
    closed_ = true;
    sweep_timer_.stop();
    co_return;
  }

  [[nodiscard]] Traits traits() const noexcept override { return {.etag = true, .ttl = true}; }
  Transactional* transactional() noexcept override { return this; }
  PrefixDeleter* prefix_deleter() noexcept override { return this; }
  KeysLister* keys_lister() noexcept override { return this; }

 private:
  Task<Result<>> multi(TransactionRequest request) override {
    auto done = table_->multi(std::move(request), InMemoryTable::now());
    plan_sweep();
    co_return done;
  }

  Task<Result<std::int64_t>> delete_with_prefix(std::string prefix) override {
    OUT_CO_TRY(const std::string wanted, delete_prefix(std::move(prefix)));
    std::int64_t count = 0;
    std::size_t scanned = 0;
    for (std::size_t shard = 0; shard < InMemoryTable::kShards; ++shard) {
      scanned += table_->size(shard);
      count += table_->remove_prefix(shard, wanted);
      if (scanned < kScanSlice) continue;
      scanned = 0;
      OUT_CO_CHECK(co_await sleep_for(Duration::zero()));
    }
    co_return count;
  }

  Task<Result<KeysLikeAnswer>> keys_like(KeysLikeRequest request) override {
    if (request.pattern.empty()) co_return fail(empty_pattern());
    std::uint64_t from = 0;
    if (request.continuation_token) {
      const auto token = parse_int<std::uint64_t>(*request.continuation_token);
      if (!token) {
        co_return fail(
            Code::invalid_argument,
            "invalid continue token: " + go_number_error("ParseUint", *request.continuation_token));
      }
      from = *token;
    }
    const auto now = InMemoryTable::now();
    std::vector<InMemoryTable::Found> found;
    std::size_t scanned = 0;
    for (std::size_t shard = 0; shard < InMemoryTable::kShards; ++shard) {
      scanned += table_->size(shard);
      table_->find_like(shard, request.pattern, now, found);
      if (scanned < kScanSlice) continue;
      scanned = 0;
      OUT_CO_CHECK(co_await sleep_for(Duration::zero()));
    }
    co_return page_of(std::move(found), from, request.page_size);
  }

  static KeysLikeAnswer page_of(std::vector<InMemoryTable::Found> found, std::uint64_t from,
                                std::optional<std::uint32_t> page_size) {
    std::erase_if(found, [from](const auto& one) { return one.index < from; });
    std::ranges::sort(found, {}, &InMemoryTable::Found::index);
    KeysLikeAnswer answer;
    if (page_size && found.size() > *page_size) {
      answer.continuation_token = std::to_string(found[*page_size].index);
      found.resize(*page_size);
    }
    for (auto& one : found) answer.keys.push_back(std::move(one.key));
    return answer;
  }

  /// The timer runs only while something will expire.
  void plan_sweep() {
    if (!closed_ && !sweep_timer_.running() && table_->has_expiring()) sweep_timer_.start(1s);
  }
  void sweep() {
    const bool more = table_->sweep(InMemoryTable::now());
    if (more) {
      sweep_timer_.start(1ms);
    } else {
      plan_sweep();
    }
  }

  std::shared_ptr<InMemoryTable> table_;
  Timer sweep_timer_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Store>> make_in_memory(const Metadata&, ComponentContext& context) {
  std::move_only_function<Result<std::shared_ptr<InMemoryTable>>()> make = [] {
    return std::make_shared<InMemoryTable>();
  };
  OUT_TRY(auto table, context.shared<InMemoryTable>(std::move(make)));
  return std::make_unique<InMemoryStore>(std::move(table));
}

std::vector<FieldInfo> in_memory_fields() { return {}; }

}  // namespace outrigger::components::state
