#include "security/identity/anchors.h"

#include <algorithm>

#include "base/blocking_pool.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text_file.h"
#include "security/x509/certificate.h"

namespace outrigger::security::identity {
namespace {

const Logger log("dapr.runtime.security");

constexpr std::size_t kBytesMax = std::size_t{1} << 20;

Result<> check(const std::string& pem) {
  OUT_TRY(const auto certificates, x509::parse_certificates(pem));
  if (certificates.empty()) return fail(Code::invalid_argument, "trust anchors are required");
  return {};
}

}  // namespace

Task<Result<std::string>> Anchors::read() const {
  const std::string path = options_.file;
  std::move_only_function<Result<std::string>()> work = [path] {
    return read_text_file(path, kBytesMax);
  };
  auto text = co_await BlockingPool::shared().run<std::string>(std::move(work));
  co_return text;
}

Task<Result<>> Anchors::open() {
  if (options_.file.empty()) {
    pem_ = options_.pem;
    co_return check(pem_);
  }
  for (bool told = false;;) {
    auto text = co_await read();
    Result<> usable = text ? check(*text) : std::unexpected(text.error());
    if (usable) {
      pem_ = *std::move(text);
      co_return usable;
    }
    if (!std::exchange(told, true)) log.warn("Waiting for trust anchors: ", usable.error());
    OUT_CO_CHECK(co_await sleep_for(options_.look_every));
  }
}

Task<Result<>> Anchors::changed() {
  for (std::string refused;;) {
    OUT_CO_CHECK(co_await sleep_for(options_.look_every));
    if (options_.file.empty()) continue;
    auto text = co_await read();
    if (!text || *text == pem_ || *text == refused) continue;
    if (auto usable = check(*text); !usable) {
      log.error("The trust anchors stay as they were: ", options_.file, ": ", usable.error());
      refused = *std::move(text);
      continue;
    }
    pem_ = *std::move(text);
    co_return Result<>();
  }
}

std::string merge_anchors(const std::string& first, const std::string& second) {
  std::vector<x509::Certificate> all;
  for (const std::string* text : {&first, &second}) {
    auto some = x509::parse_certificates(*text);
    if (!some) continue;
    for (auto& certificate : *some) {
      const bool known = std::ranges::find(all, certificate) != all.end();
      if (!known) all.push_back(std::move(certificate));
    }
  }
  return x509::to_pem(all);
}

}  // namespace outrigger::security::identity
