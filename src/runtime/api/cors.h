#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/message.h"

namespace outrigger::runtime::api {

/// Cross-origin requests of browsers: --allowed-origins. Off if that is empty.
class Cors {
 public:
  Cors() = default;
  /// Comma separated origins; each may have one "*" in it; "*" alone allows all.
  explicit Cors(std::string_view origins);
  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  /// The answer to a preflight request; nullopt if it is none.
  [[nodiscard]] std::optional<net::Response> preflight(const net::Request& request) const;
  /// Adds what the browser must see in the answer to an actual request with this origin.
  void add_headers(std::string_view origin, std::string_view method, net::Response& response) const;

 private:
  [[nodiscard]] bool allows_origin(std::string_view origin) const;
  bool enabled_ = false;
  bool all_ = false;
  std::vector<std::string> origins_;
};

}  // namespace outrigger::runtime::api
