#include <algorithm>
#include <cmath>
#include <cstdio>
#include <list>
#include <mutex>

#include "base/strings.h"
#include "components/middleware/middleware.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

struct Options {
  double requests_per_second = 100;
};
constexpr Field<Options> kFields[] = {
    {{.name = "maxRequestsPerSecond"}, &Options::requests_per_second}};

// Clients that are remembered; who has not called for longest is forgotten first, and then has a
// full allowance again.
constexpr std::size_t kBucketsMax = 20'000;
// What is longer of a client and path is remembered by its hash: they choose how long it is.
constexpr std::size_t kKeyBytesMax = 200;

/// An allowance for each client and path, which fills up by the second. All loops share it.
class Limiter {
 public:
  explicit Limiter(double per_second)
      : rate_(per_second), burst_(std::max(1.0, std::floor(per_second))) {}

  /// How many are left after this one; nullopt: it is one too many.
  std::optional<double> take(const std::string& key, TimePoint now) {
    const std::lock_guard lock(mutex_);
    const auto known = by_key_.find(key);
    if (known == by_key_.end()) {
      by_use_.push_front({.key = key, .left = burst_, .filled = now});
      by_key_.emplace(key, by_use_.begin());
      if (by_use_.size() > kBucketsMax) {
        by_key_.erase(by_use_.back().key);
        by_use_.pop_back();
      }
    } else {
      by_use_.splice(by_use_.begin(), by_use_, known->second);
    }
    Bucket& bucket = by_use_.front();
    const double passed = std::chrono::duration<double>(now - bucket.filled).count();
    bucket.left = std::min(burst_, bucket.left + std::max(0.0, passed) * rate_);
    bucket.filled = now;
    if (bucket.left < 1) return std::nullopt;
    return bucket.left -= 1;
  }
  [[nodiscard]] double rate() const noexcept { return rate_; }

 private:
  struct Bucket {
    std::string key;
    double left;
    TimePoint filled;
  };
  const double rate_, burst_;
  std::mutex mutex_;
  std::list<Bucket> by_use_;
  std::unordered_map<std::string, std::list<Bucket>::iterator> by_key_;
};

/// The first that says where the request is from.
std::string client_of(const net::Request& request) {
  const std::string_view forwarded = request.headers.value("x-forwarded-for");
  if (!forwarded.empty()) return std::string(trim(forwarded.substr(0, forwarded.find(','))));
  const std::string_view real = request.headers.value("x-real-ip");
  if (!real.empty()) return std::string(trim(real));
  if (request.peer == nullptr) return "0.0.0.0";
  const std::string& address = request.peer->address;
  const auto port = address.rfind(':');
  return address.substr(0, port);
}

class RateLimit final : public Middleware {
 public:
  explicit RateLimit(std::shared_ptr<Limiter> limiter) : limiter_(std::move(limiter)) {}

  Task<net::Response> handle(net::Request request, Next next) override {
    std::string key = client_of(request);
    key += '|';
    // As the routes read it: "/a" and "//a" are one.
    key += net::clean_path(net::split_target(request.target).path);
    if (key.size() > kKeyBytesMax) {
      const std::size_t hash = std::hash<std::string>()(key);
      key.resize(kKeyBytesMax);
      key += std::to_string(hash);
    }
    const auto left = limiter_->take(key, std::chrono::steady_clock::now());
    const net::Headers shown = headers(request, left.value_or(0));
    net::Response response;
    if (left) {
      response = co_await next(std::move(request));
    } else {
      response = refusal(429, "You have reached maximum request limit.");
      response.headers.set("Retry-After", "1");
    }
    for (const auto field : shown) response.headers.add(field.name, field.value);
    co_return response;
  }

 private:
  [[nodiscard]] net::Headers headers(const net::Request& request, double left) const {
    net::Headers shown;
    char limit[32];
    std::snprintf(limit, sizeof limit, "%.2f", limiter_->rate());
    shown.add("X-Rate-Limit-Limit", limit);
    shown.add("X-Rate-Limit-Duration", "1");
    const std::string_view forwarded = request.headers.value("x-forwarded-for");
    if (!trim(forwarded).empty()) shown.add("X-Rate-Limit-Request-Forwarded-For", forwarded);
    if (request.peer != nullptr) {
      shown.add("X-Rate-Limit-Request-Remote-Addr", request.peer->address);
    }
    shown.add("RateLimit-Limit", std::to_string(std::lround(limiter_->rate())));
    shown.add("RateLimit-Reset", "1");
    shown.add("RateLimit-Remaining", std::to_string(static_cast<long>(left)));
    return shown;
  }

  std::shared_ptr<Limiter> limiter_;
};

}  // namespace

Result<std::unique_ptr<Middleware>> make_rate_limit(const Metadata& metadata,
                                                    ComponentContext& context) {
  OUT_TRY(const auto options, parse_fields(metadata, kFields));
  if (!(options.requests_per_second > 0) || options.requests_per_second > 1e9) {
    return fail(Code::invalid_argument,
                "metadata property maxRequestsPerSecond must be a positive value");
  }
  std::move_only_function<Result<std::shared_ptr<Limiter>>()> make = [&] {
    return std::make_shared<Limiter>(options.requests_per_second);
  };
  OUT_TRY(auto limiter, context.shared<Limiter>(std::move(make)));
  return std::make_unique<RateLimit>(std::move(limiter));
}
std::vector<FieldInfo> rate_limit_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
