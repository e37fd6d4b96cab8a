#include "runtime/api/cors.h"

#include <cctype>

namespace outrigger::runtime::api {
namespace {

bool allows_method(std::string_view method) {
  for (const std::string_view one : {"HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    if (net::iequals(one, method)) return true;
  }
  return false;
}

}  // namespace

Cors::Cors(std::string_view origins) : enabled_(!origins.empty()), all_(origins == "*") {
  while (!origins.empty()) {
    const std::size_t comma = origins.find(',');
    std::string origin(origins.substr(0, comma));
    for (char& c : origin) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (origin == "*") all_ = true;
    origins_.push_back(std::move(origin));
    origins = comma == std::string_view::npos ? std::string_view() : origins.substr(comma + 1);
  }
}

bool Cors::allows_origin(std::string_view origin) const {
  if (all_) return true;
  std::string lower(origin);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string& pattern : origins_) {
    const std::size_t star = pattern.find('*');
    if (star == std::string::npos) {
      if (pattern == lower) return true;
      continue;
    }
    const std::string_view head = std::string_view(pattern).substr(0, star);
    const std::string_view tail = std::string_view(pattern).substr(star + 1);
    if (lower.size() >= head.size() + tail.size() && lower.starts_with(head) &&
        lower.ends_with(tail)) {
      return true;
    }
  }
  return false;
}

std::optional<net::Response> Cors::preflight(const net::Request& request) const {
  const std::string_view method = request.headers.value("access-control-request-method");
  if (!enabled_ || request.method != "OPTIONS" || method.empty()) return std::nullopt;
  net::Response response;
  response.headers.add("Vary", "Origin");
  response.headers.add("Vary", "Access-Control-Request-Method");
  response.headers.add("Vary", "Access-Control-Request-Headers");
  const std::string_view origin = request.headers.value("origin");
  if (origin.empty() || !allows_origin(origin) || !allows_method(method)) return response;
  response.headers.add("Access-Control-Allow-Origin", all_ ? "*" : origin);
  response.headers.add("Access-Control-Allow-Methods", method);
  if (const auto wanted = request.headers.get("access-control-request-headers")) {
    response.headers.add("Access-Control-Allow-Headers", *wanted);
  }
  return response;
}

void Cors::add_headers(std::string_view origin, std::string_view method,
                       net::Response& response) const {
  if (!enabled_) return;
  response.headers.add("Vary", "Origin");
  if (origin.empty() || !allows_origin(origin) || !allows_method(method)) return;
  response.headers.set("Access-Control-Allow-Origin", all_ ? "*" : origin);
}

}  // namespace outrigger::runtime::api
