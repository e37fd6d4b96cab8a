#pragma once

#include <string>

#include "base/loop.h"
#include "net/http/client.h"

/// Small requests to servers that a middleware asks for something: tokens, keys, decisions.
namespace outrigger::components::middleware {

struct FetchRequest {
  std::string method = "GET";
  std::string url;  ///< http or https; of the latter the system's roots are trusted.
  net::Headers headers;
  std::string body;
  /// For the whole exchange.
  Duration timeout = std::chrono::seconds(30);
  std::size_t body_bytes_max = std::size_t{1} << 20;
};

/// An answer of any status; redirects are not followed.
struct Fetched {
  int status = 0;
  net::Headers headers;
  std::string body;
};

/// Where the requests for `url` go. Code::invalid_argument if it is not an http(s) URL.
Result<net::Endpoint> fetch_endpoint(const std::string& url);

/// Code::invalid_argument for a URL that is none, Code::resource_exhausted for an answer that is
/// too long, Code::deadline_exceeded for one that takes too long, else what the client says.
/// `client` must outlive the call; `endpoint` is fetch_endpoint() of the URL.
Task<Result<Fetched>> fetch_with(net::Client* client, net::Endpoint endpoint, FetchRequest what);

/// The same by a connection of its own.
Task<Result<Fetched>> fetch(FetchRequest what);

}  // namespace outrigger::components::middleware
