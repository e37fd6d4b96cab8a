#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/task.h"
#include "security/jwt/jwk.h"

namespace outrigger::security::jwks {

struct KeyCacheOptions {
  /// An http(s) URL, the path of a file, or the JSON itself, perhaps in base64.
  std::string source;
  /// For https: PEM of the roots, or the path of a file with it; empty: the system's roots.
  std::string ca_certificate;
  /// A URL is not asked again sooner than this.
  std::chrono::nanoseconds min_refresh_interval = std::chrono::minutes(10);
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);
};

using KeySetPtr = std::shared_ptr<const jwt::KeySet>;

/// The keys that somebody publishes as a JWKS. Belongs to one loop, on which it is made.
class KeyCache {
 public:
  explicit KeyCache(KeyCacheOptions options);
  /// close() must have ended.
  ~KeyCache();

  /// Reads what can be read at once. Code::invalid_argument for a source that is nothing of the
  /// kind; a URL that does not answer is no error here: keys() asks again.
  Task<Result<>> open();
  /// The keys; of a URL those of the last `min_refresh_interval`, or older ones while it does not
  /// answer. Code::unavailable while there are none.
  Task<Result<KeySetPtr>> keys();
  /// Whether keys() has something to give.
  [[nodiscard]] bool ready() const noexcept;
  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::security::jwks
