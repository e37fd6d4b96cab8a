#include "net/http/backlog.h"

#include "base/scope.h"
#include "net/http/http2_link.h"

namespace outrigger::net::http {
namespace {

Task<void> count_whole_answers() {
  Backlog backlog;
  std::vector<std::unique_ptr<Backlog::Part>> parts;
  for (std::size_t i = 1; i < Backlog::kFullAnswers; ++i) {
    parts.push_back(std::make_unique<Backlog::Part>());
    parts.back()->belongs_to(backlog);
    parts.back()->set(Backlog::kFullBytes);
  }
  EXPECT_FALSE(backlog.full()) << "however large they are, these are few";
  Backlog::Part small;
  small.belongs_to(backlog);
  small.set(1);
  EXPECT_TRUE(backlog.full());
  small.set(2);
  EXPECT_TRUE(backlog.full());
  small.set(0);
  EXPECT_FALSE(backlog.full());
  EXPECT_GT(backlog.allowance(), 0);
  small.set(1);
  Backlog other;
  EXPECT_FALSE(other.full());
  Backlog::Part huge;
  huge.belongs_to(other);
  huge.set(Backlog::kLoopFullBytes);
  EXPECT_EQ(backlog.allowance(), 0);
  EXPECT_FALSE(backlog.hopeless()) << "its client may have taken something just now";
  huge.set(Backlog::kLoopBytesMax);
  EXPECT_TRUE(backlog.hopeless());
  EXPECT_FALSE(other.hopeless()) << "one answer is always taken";
  small.set(0);
  EXPECT_FALSE(backlog.hopeless());
  parts.clear();
  huge.set(0);
  EXPECT_GT(backlog.allowance(), 1);
  co_return;
}

TEST(Backlog, ManyLargeAnswersFillItAndFewDoNot) { run(count_whole_answers()); }

struct Ignoring final : PipeSource::Owner {
  void on_source_ready() override {}
  void on_source_broken() override {}
};

Task<void> count_streams() {
  Backlog backlog;
  Ignoring owner;
  constexpr std::size_t kStreams = 40;
  std::vector<std::shared_ptr<Pipe>> pipes;
  std::vector<std::unique_ptr<PipeSource>> sources;
  for (std::size_t i = 0; i < kStreams; ++i) {
    pipes.push_back(std::make_shared<Pipe>());
    sources.push_back(std::make_unique<PipeSource>());
    sources.back()->start(pipes.back(), owner, &backlog);
  }
  EXPECT_FALSE(backlog.full());
  for (const auto& pipe : pipes) pipe->push(std::string(Pipe::kHighWaterBytes, 'w'));
  EXPECT_TRUE(backlog.full());
  for (const auto& source : sources) {
    std::string out;
    source->take(out, Pipe::kHighWaterBytes);
  }
  EXPECT_FALSE(backlog.full());
  for (const auto& pipe : pipes) pipe->push(std::string(Pipe::kHighWaterBytes, 'w'));
  EXPECT_TRUE(backlog.full());
  for (const auto& source : sources) source->close();
  EXPECT_FALSE(backlog.full());
  co_return;
}

TEST(Backlog, WhatWaitsInStreamsCountsUntilItIsTakenOrLetGo) { run(count_streams()); }

}  // namespace
}  // namespace outrigger::net::http
