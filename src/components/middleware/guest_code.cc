#include "components/middleware/guest_code.h"

#include "base/strings.h"
#include "base/text_file.h"
#include "components/middleware/fetch.h"

namespace outrigger::components::middleware {
namespace {

constexpr std::string_view kFile = "file://";
// A guest may be busy for seconds: so many requests with such guests are worked on at once.
constexpr unsigned kThreads = 4;
constexpr std::size_t kQueue = 1024;

}  // namespace

BlockingPool& guest_threads() {
  static BlockingPool pool(kThreads, kQueue);
  return pool;
}

Result<> GuestCode::check_url(const std::string& url) {
  const auto bad = [](std::string text) {
    return fail(Code::invalid_argument, "wasm: failed to parse metadata: " + std::move(text));
  };
  if (url.empty()) return bad("missing url");
  const auto colon = url.find(':');
  if (colon == std::string::npos) return bad("invalid URL: " + url);
  const std::string scheme = url.substr(0, colon);
  if (scheme != "http" && scheme != "https" && scheme != "file") {
    return bad("unsupported URL scheme: " + scheme);
  }
  if (scheme == "file" && !url.starts_with(kFile)) return bad("invalid URL: " + url);
  return {};
}

Result<ModulePtr> GuestCode::parse(const std::string& url, std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (module_ != nullptr) return module_;
  if (url.starts_with(kFile)) {
    OUT_TRY(bytes, read_text_file(url.substr(kFile.size()), wasm::kModuleBytesMax));
  }
  auto module = wasm::parse_module(bytes);
  if (!module) {
    return std::unexpected(std::move(module).error().context("wasm: error compiling guest"));
  }
  module_ = *std::move(module);
  return module_;
}

Task<Result<ModulePtr>> GuestCode::load(std::shared_ptr<GuestCode> code, std::string url) {
  std::string bytes;
  if (!url.starts_with(kFile)) {
    FetchRequest get;
    get.url = url;
    get.body_bytes_max = wasm::kModuleBytesMax;
    OUT_CO_TRY(auto answer, co_await fetch(std::move(get)));
    if (answer.status != 200) {
      co_return fail(Code::unavailable, "received " + std::to_string(answer.status) +
                                            " status code from " + quoted(url));
    }
    bytes = std::move(answer.body);
  }
  std::move_only_function<Result<ModulePtr>()> work = [code, url,
                                                       bytes = std::move(bytes)]() mutable {
    return code->parse(url, std::move(bytes));
  };
  auto module = co_await guest_threads().run(std::move(work));
  co_return module;
}

}  // namespace outrigger::components::middleware
