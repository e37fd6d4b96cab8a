#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

/// The errors of the state API as clients see them (facts/errors.tsv, category State).
namespace outrigger::runtime::state {

/// The API that a request came by: the same failure looks different through each.
enum class Face : std::uint8_t { http, grpc };

/// An error of a component that says itself what clients shall see (pluggable components can).
[[nodiscard]] bool is_rich(const Error& error) noexcept;
/// What an error is called inside another's message: a rich one with its code in front.
[[nodiscard]] std::string text_of(const Error& error);

/// Makes the errors about one store. The view must live as long as this object.
class StoreErrors {
 public:
  StoreErrors(std::string_view store, Face face) noexcept : store_(store), face_(face) {}

  /// `app_id` is told to clients of HTTP, but for queries; pass "" there.
  [[nodiscard]] Error not_configured(std::string_view app_id) const;
  [[nodiscard]] Error not_found(std::string_view app_id) const;
  /// `field`: what the violation is said to be of.
  [[nodiscard]] Error illegal_key(std::string_view key, std::string_view field) const;
  [[nodiscard]] Error illegal_key(std::string_view key) const { return illegal_key(key, key); }
  [[nodiscard]] Error empty_key() const;
  [[nodiscard]] Error not_gotten(std::string_view key, const Error& why) const;
  [[nodiscard]] Error not_gotten_in_bulk(const Error& why) const;
  [[nodiscard]] Error not_saved(const Error& why) const;
  [[nodiscard]] Error not_deleted(std::string_view key, const Error& why) const;
  [[nodiscard]] Error not_deleted_in_bulk(const Error& why) const;
  [[nodiscard]] Error no_transactions() const;
  [[nodiscard]] Error too_many_operations(std::size_t count, std::size_t max) const;
  [[nodiscard]] Error unknown_operation(std::string_view operation) const;
  [[nodiscard]] Error not_transacted(const Error& why) const;
  [[nodiscard]] Error not_queriable() const;
  /// A rich `why` is passed on as it is.
  [[nodiscard]] Error not_queried(const Error& why) const;
  [[nodiscard]] Error bad_query(std::string_view why) const;

 private:
  [[nodiscard]] Error write_error(std::string_view tag, const std::string& what,
                                  const Error& why) const;
  [[nodiscard]] Error basic(Code code, int http_status, std::string_view tag,
                            std::string message) const;
  [[nodiscard]] ErrorDetails about_store(std::string_view reason) const;

  std::string_view store_;
  Face face_;
};

/// An error of HTTP that is {"errorCode","message"} and nothing else.
[[nodiscard]] Error simple_error(int http_status, std::string_view tag, std::string message);

}  // namespace outrigger::runtime::state
