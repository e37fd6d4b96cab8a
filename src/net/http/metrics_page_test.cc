#include "net/http/metrics_page.h"

#include "base/scope.h"

namespace outrigger::net::http {
namespace {

using namespace std::chrono_literals;

struct Scrapes {
  std::string page = std::string(20U << 20, 'x');
  Duration takes{0};
  int made = 0;
  TimePoint now{1h};
  MetricsPage metrics{[this] {
                        ++made;
                        now += takes;
                        return page;
                      },
                      [this] { return now; }};

  Task<Response> scrape(std::string target = "/metrics") {
    Request request;
    request.target = std::move(target);
    auto response = co_await metrics.handle(std::move(request));
    co_return response;
  }
};

Task<void> read_large(Scrapes* scrapes) {
  auto response = co_await scrapes->scrape();
  EXPECT_EQ(response.content_length, scrapes->page.size());
  const auto text = co_await response.body.read_all(scrapes->page.size());
  EXPECT_TRUE(text && *text == scrapes->page);
  scrapes->page = "small 1\n";
  response = co_await scrapes->scrape("/");
  EXPECT_EQ(response.body.whole, "small 1\n");
  response = co_await scrapes->scrape("/other");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(scrapes->made, 2);
}

TEST(MetricsPage, IsWholeWhateverItsSize) {
  Scrapes scrapes;
  run(read_large(&scrapes));
}

Task<void> do_not_read(Scrapes* scrapes) {
  std::vector<Response> held;
  for (int i = 0; i < 20; ++i) {
    auto response = co_await scrapes->scrape();
    held.push_back(std::move(response));
    Completion<> turn;
    Loop::current().post([&turn] { turn.set({}); });
    (void)co_await turn.wait();
    const auto waits = [](const Response& each) { return each.body.stream->error() == nullptr; };
    EXPECT_LE(std::ranges::count_if(held, waits), 3);
  }
  EXPECT_EQ(scrapes->made, 20);
  const auto first = co_await held.front().body.read_all(64U << 20);
  EXPECT_FALSE(first);
  const auto last = co_await held.back().body.read_all(64U << 20);
  EXPECT_TRUE(last && *last == scrapes->page);
}

TEST(MetricsPage, ThoseWhoDoNotReadDoNotFillTheMemory) {
  Scrapes scrapes;
  run(do_not_read(&scrapes));
}

Task<void> ask_again(Scrapes* scrapes) {
  scrapes->page = "page";
  scrapes->takes = 20ms;
  for (int i = 0; i < 5; ++i) (void)co_await scrapes->scrape();
  EXPECT_EQ(scrapes->made, 1);
  scrapes->now += 200ms;
  (void)co_await scrapes->scrape();
  EXPECT_EQ(scrapes->made, 2);
  // What costs little is always new.
  scrapes->takes = 1ms;
  scrapes->now += 200ms;
  for (int i = 0; i < 5; ++i) (void)co_await scrapes->scrape();
  EXPECT_EQ(scrapes->made, 7);
}

TEST(MetricsPage, WhatTakesLongToMakeIsUsedForAWhile) {
  Scrapes scrapes;
  run(ask_again(&scrapes));
}

}  // namespace
}  // namespace outrigger::net::http
