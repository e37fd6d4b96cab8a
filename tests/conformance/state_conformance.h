#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/scope.h"
#include "base/uuid.h"
#include "components/component.h"
#include "components/state/registry.h"
#include "tests/conformance/support.h"

namespace outrigger::components::state {

/// How long a test waits for what must come in the end.
inline constexpr Duration kPatience = std::chrono::seconds(60);

/// What every state store must do, run over each row of the registry.
class StateConformance : public testing::TestWithParam<Kind<Store>> {
 protected:
  void SetUp() override {
    const auto type = GetParam().type;
    directory_ = std::filesystem::temp_directory_path() / ("outrigger-state-" + uuid_v4());
    if (type == "state.in-memory") {
      properties_ = Properties();
    } else if (type.starts_with("state.sqlite")) {
      properties_ = Properties{{"connectionString", (directory_ / "state.db").string()}};
      lasting_ = true;
    } else if (auto given = conformance::properties_from_environment(type)) {
      properties_ = std::move(*given);
      lasting_ = true;
    } else {
      GTEST_SKIP() << "no server: " << conformance::variable_of(type) << " is not set";
    }
    std::filesystem::create_directories(directory_);
    open();
  }

  void TearDown() override {
    if (store_ != nullptr) close();
    std::filesystem::remove_all(directory_);
  }

  /// Another instance of the same configured component.
  std::unique_ptr<Store> make(Loop& loop) {
    ComponentContext context{.loop = loop, .app_id = "app", .slot = shared_};
    const Metadata metadata{.name = "store",
                            .type = std::string(GetParam().type),
                            .version = std::string(GetParam().version),
                            .properties = properties_};
    auto store = GetParam().make(metadata, context);
    EXPECT_TRUE(store) << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  void open() {
    shared_ = std::make_shared<Shared>();
    store_ = make(loop_);
    ASSERT_NE(store_, nullptr);
    auto ready = run_on(loop_, store_->init());
    ASSERT_TRUE(ready) << ready.error().message();
  }
  void close() {
    run_on(loop_, store_->close());
    store_.reset();
    shared_.reset();
  }

  Result<> set(SetRequest request) { return run_on(loop_, store_->set(std::move(request))); }
  Result<> put(std::string key, std::string value) {
    return set({.key = std::move(key), .value = std::move(value)});
  }
  Result<> remove(DeleteRequest request) {
    return run_on(loop_, store_->remove(std::move(request)));
  }
  std::optional<Item> get(std::string key) {
    auto item = run_on(loop_, store_->get({.key = std::move(key)}));
    EXPECT_TRUE(item) << item.error().message();
    return item ? std::move(*item) : std::nullopt;
  }
  std::optional<std::string> value(std::string key) {
    auto item = get(std::move(key));
    return item ? std::optional(item->value) : std::nullopt;
  }
  std::string etag(std::string key) {
    auto item = get(std::move(key));
    return item && item->etag ? *item->etag : std::string();
  }
  Result<> multi(std::vector<Operation> operations) {
    TransactionRequest request{.operations = std::move(operations)};
    return run_on(loop_, store_->transactional()->multi(std::move(request)));
  }
  /// A key that no other test and no earlier run has used.
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  std::string absent_soon(const std::string& gone) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (!get(gone)) return "gone";
      EXPECT_TRUE(run_on(loop_, sleep_for(std::chrono::milliseconds(20))));
    }
    return "still there";
  }
  static SetRequest first_write(std::string key, std::string value) {
    return {
        .key = std::move(key), .value = std::move(value), .concurrency = Concurrency::first_write};
  }
  static SetRequest with_ttl(std::string key, std::string seconds) {
    return {.key = std::move(key),
            .value = "v",
            .metadata = {{std::string(kTtlInSeconds), std::move(seconds)}}};
  }

  Loop loop_;
  Properties properties_;
  std::filesystem::path directory_;
  bool lasting_ = false;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Store> store_;
  /// Upstream's Redis store, whose rules are kept: it does not say when an item expires, a write
  /// with an ETag makes an absent item, and one with last-write does not look at the ETag.
  const bool is_redis_ = GetParam().type == "state.redis";
  /// In braces: a cluster of Redis does transactions on keys of one slot.
  const std::string prefix_ = "app||{" + uuid_v4() + "}-";
};

#define NEEDS(ability) \
  if (!(ability)) GTEST_SKIP() << "not an ability of this store"

/// Awaits a write and counts how it went.
inline Task<void> count_success(Task<Result<>> write, int* won, int* mismatched) {
  auto done = co_await std::move(write);
  if (done) {
    ++*won;
  } else if (is_etag_mismatch(done.error())) {
    ++*mismatched;
  }
}

}  // namespace outrigger::components::state
