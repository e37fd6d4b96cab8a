#include "net/http/metrics_page.h"

#include <set>

#include "base/metrics/metrics.h"

namespace outrigger::net::http {

namespace {

// What is smaller is no more than a connection's own buffers.
constexpr std::size_t kLargeBytes = 64U << 10;
constexpr std::size_t kPartBytes = 64U << 10;
constexpr std::size_t kWaitingBytesMax = 64U << 20;
constexpr Duration kLongTime = std::chrono::milliseconds(10);
// Making pages takes no more than a tenth of the time.
constexpr int kUseFactor = 10;

}  // namespace

/// A page on its way, in parts as they are taken: connections keep what they have taken.
struct MetricsPage::Sent final : Pipe::ProducerEvents {
  explicit Sent(std::shared_ptr<const std::string> text) : page(std::move(text)) {
    push();
    pipe.set_producer(this);
  }
  void push() {
    const auto part = std::string_view(*page).substr(at, kPartBytes);
    at += part.size();
    pipe.push(part);
    if (at == page->size()) pipe.finish();
  }
  void on_taken(std::size_t) override {
    if (pipe.available() == 0 && !pipe.ended()) push();
  }
  void on_consumer_closed() override {}
  const std::shared_ptr<const std::string> page;
  std::size_t at = 0;
  Pipe pipe;
};

MetricsPage::MetricsPage(std::function<std::string()> render, Clock now)
    : render_(std::move(render)), now_(std::move(now)) {
  if (!now_) now_ = [] { return std::chrono::steady_clock::now(); };
}

std::shared_ptr<const std::string> MetricsPage::page() {
  const TimePoint begun = now_();
  {
    const std::lock_guard lock(mutex_);
    if (kept_ && begun < kept_until_) return kept_;
  }
  auto made = std::make_shared<const std::string>(render_());
  const TimePoint ended = now_();
  const std::lock_guard lock(mutex_);
  kept_.reset();
  if (ended - begun > kLongTime) {
    kept_ = made;
    kept_until_ = ended + (ended - begun) * kUseFactor;
  }
  return made;
}

Body MetricsPage::send_large(std::shared_ptr<const std::string> page) {
  auto sent = std::make_shared<Sent>(page);
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [](const Waiting& each) { return each.sent.expired(); });
  waiting_.push_back({&Loop::current(), sent, page.get(), page->size()});
  // From the newest on; those who share a page have it once.
  std::set<const void*> pages;
  std::size_t bytes = 0;
  auto oldest = waiting_.end();
  while (oldest != waiting_.begin()) {
    const Waiting& next = *std::prev(oldest);
    if (pages.insert(next.page).second) bytes += next.bytes;
    if (bytes > kWaitingBytesMax) break;
    --oldest;
  }
  for (auto late = waiting_.begin(); late != oldest; ++late) {
    late->loop->post([weak = late->sent] {
      const auto one = weak.lock();
      if (one) one->pipe.cut(Error(Code::resource_exhausted, "the page was not read in time"));
    });
  }
  waiting_.erase(waiting_.begin(), oldest);
  Pipe* const pipe = &sent->pipe;
  return Body(std::shared_ptr<Pipe>(std::move(sent), pipe));
}

Task<Response> MetricsPage::handle(Request request) {
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  if (path != "/" && path != "/metrics") co_return page_not_found();
  Response response;
  response.headers.add("Content-Type", telemetry::kMetricsContentType);
  const auto text = page();
  if (text->size() < kLargeBytes) {
    response.body = *text;
  } else {
    response.content_length = text->size();
    response.body = send_large(text);
  }
  co_return response;
}

Response page_not_found() {
  Response response;
  response.status = 404;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = "404 page not found\n";
  return response;
}

}  // namespace outrigger::net::http
