#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "components/clients/etcd/types.h"

/// The requests and answers of etcd's v3 API (proto/etcd/rpc.proto) as bytes. What does not parse
/// is Code::internal.
namespace outrigger::components::etcd {

std::string encode(const Range& request);
std::string encode(const Put& request);
std::string encode(const Remove& request);
std::string encode(const Txn& request);
Result<RangeReply> decode_range(std::string_view bytes);
Result<std::int64_t> decode_put(std::string_view bytes);
Result<std::int64_t> decode_remove(std::string_view bytes);
Result<TxnReply> decode_txn(std::string_view bytes);

std::string encode_grant(std::int64_t seconds);
Result<std::int64_t> decode_grant(std::string_view bytes);
std::string encode_renew(std::int64_t lease);
/// The seconds that are left; 0: there is no such lease.
Result<std::int64_t> decode_renew(std::string_view bytes);
std::string encode_revoke(std::int64_t lease);

std::string encode_authenticate(std::string_view username, std::string_view password);
/// The token.
Result<std::string> decode_authenticate(std::string_view bytes);

std::string encode_watch(std::string_view key, std::string_view end, std::int64_t revision);

/// What a watch's stream says.
struct WatchNews {
  Events events;
  bool created = false;   ///< The first answer.
  bool fragment = false;  ///< More of the same revision follows.
  bool canceled = false;
  std::int64_t compact_revision = 0;
  std::string reason;
};
Result<WatchNews> decode_watch(std::string_view bytes);

}  // namespace outrigger::components::etcd
