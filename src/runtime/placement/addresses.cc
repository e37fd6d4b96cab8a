#include "runtime/placement/addresses.h"

#include <algorithm>

namespace outrigger::runtime::placement {

Addresses::Addresses(std::vector<std::string> texts, bool resolve)
    : texts_(std::move(texts)), resolve_(resolve) {}

Task<Result<net::Address>> Addresses::next() {
  if (texts_.empty()) co_return fail(Code::invalid_argument, "no placement addresses provided");
  const std::size_t turn = turn_++;
  if (!resolve_) {
    count_ = texts_.size();
    co_return net::parse_address(texts_[turn % count_]);
  }
  OUT_CO_TRY(net::Address address, net::parse_address(texts_.front()));
  OUT_CO_TRY(const auto found, co_await net::resolve(address.host));
  if (found.empty()) {
    co_return fail(Code::unavailable, "no addresses found for " + address.host);
  }
  count_ = found.size();
  address.host = found[turn % count_];
  co_return address;
}

}  // namespace outrigger::runtime::placement
