#include "components/clients/etcd/client.h"
#include "control/leadership/lease_stores.h"

namespace outrigger::control {
namespace {

using namespace components;

class EtcdLeaseStore final : public LeaseStore {
 public:
  EtcdLeaseStore(std::unique_ptr<etcd::Client> client, LeaseName name)
      : client_(std::move(client)),
        key_("outrigger/leader/" + name.name),
        holder_(std::move(name.holder)) {}

  Task<Result<bool>> acquire(Duration time_to_live) override {
    if (lease_ != 0) {
      auto renewed = co_await client_->renew(lease_);
      if (!renewed && renewed.error().code() != Code::not_found) {
        co_return std::unexpected(std::move(renewed).error());
      }
      if (!renewed) lease_ = 0;
    }
    if (lease_ == 0) {
      // Rounded up: the lease must last at least as long as its holder counts on it.
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(time_to_live);
      OUT_CO_TRY(lease_, co_await client_->grant(seconds));
    }
    auto take = taking();
    OUT_CO_TRY(const auto taken, co_await client_->txn(std::move(take)));
    if (taken.succeeded) co_return true;
    const auto& found = taken.replies.at(0).range.items;
    co_return !found.empty() && found[0].lease == lease_;
  }

  Task<Result<>> release() override {
    if (lease_ == 0) co_return Result<>();
    const std::int64_t lease = std::exchange(lease_, 0);
    co_return co_await client_->revoke(lease);
  }

  Task<void> close() override { return client_->close(); }

 private:
  etcd::Txn taking() const {
    etcd::Txn txn;
    txn.compare.push_back(
        {.key = key_, .target = etcd::Compare::Target::create_revision, .number = 0});
    txn.success.emplace_back(etcd::Put{.key = key_, .value = holder_, .lease = lease_});
    txn.failure.emplace_back(etcd::Range{.key = key_});
    return txn;
  }

  std::unique_ptr<etcd::Client> client_;
  std::string key_;
  std::string holder_;
  std::int64_t lease_ = 0;
};

}  // namespace

Result<std::unique_ptr<LeaseStore>> make_etcd_lease_store(EtcdAccess access, LeaseName name) {
  etcd::Options options;
  options.endpoints = std::move(access.endpoints);
  options.username = std::move(access.username);
  options.password = std::move(access.password);
  OUT_TRY(auto client, etcd::Client::make(std::move(options)));
  return std::make_unique<EtcdLeaseStore>(std::move(client), std::move(name));
}

}  // namespace outrigger::control
