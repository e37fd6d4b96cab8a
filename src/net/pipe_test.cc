#include "net/pipe.h"

#include "base/scope.h"

namespace outrigger::net {
namespace {

Task<void> produce(std::shared_ptr<Pipe> pipe, int chunks, std::size_t bytes) {
  for (int i = 0; i < chunks; ++i) {
    auto written = co_await pipe->write(std::string(bytes, static_cast<char>('a' + i % 26)));
    if (!written) co_return;
  }
  pipe->finish({{"grpc-status", "0"}});
}

Task<std::size_t> count_all(int chunks, std::size_t bytes) {
  auto pipe = std::make_shared<Pipe>(1000);
  Scope scope;
  scope.spawn(produce(pipe, chunks, bytes));
  std::size_t total = 0;
  for (;;) {
    EXPECT_LE(pipe->available(), 1000 + bytes);
    auto part = co_await pipe->read();
    EXPECT_TRUE(part);
    if (part->empty()) break;
    total += part->size();
  }
  EXPECT_EQ(pipe->trailers().value("Grpc-Status"), "0");
  co_await scope.join();
  co_return total;
}
TEST(Pipe, ASlowConsumerHoldsTheProducerBack) { EXPECT_EQ(run(count_all(100, 700)), 70000U); }

TEST(Pipe, GathersSmallPushesAndTakesByTheByte) {
  Pipe pipe;
  pipe.push(std::string_view("hello "));
  pipe.push(std::string_view("world"));
  EXPECT_EQ(pipe.take(3), "hel");
  char rest[16];
  EXPECT_EQ(pipe.take_into(rest, sizeof rest), 8U);
  EXPECT_EQ(std::string(rest, 8), "lo world");
  EXPECT_FALSE(pipe.at_end());
  pipe.finish();
  EXPECT_TRUE(pipe.at_end());
}

Task<std::string> aborted() {
  Pipe pipe;
  pipe.push(std::string_view("half"));
  pipe.abort(Error(Code::unavailable, "the peer went away"));
  auto first = co_await pipe.read();
  auto second = co_await pipe.read();
  co_return first.value_or("?") + ", then " + (second ? "more" : second.error().message());
}
TEST(Pipe, AnErrorComesAfterTheBytesBeforeIt) {
  EXPECT_EQ(run(aborted()), "half, then the peer went away");
}

Task<Code> too_large() {
  auto pipe = std::make_shared<Pipe>(1000);
  Scope scope;
  scope.spawn(produce(pipe, 100, 700));
  auto all = co_await pipe->read_all(5000);
  co_await scope.join();
  co_return all ? Code::ok : all.error().code();
}
TEST(Pipe, ReadAllStopsAtItsLimitAndLetsTheProducerGo) {
  EXPECT_EQ(run(too_large()), Code::resource_exhausted);
}

TEST(Pipe, ItsWatcherIsToldOfTheEndOnceHoweverItComes) {
  std::vector<std::string> seen;
  const auto watch = [&seen](Pipe& pipe) {
    pipe.watch_end([&seen](const Headers* trailers, const Error* error) {
      seen.push_back(trailers ? "finished " + std::string(trailers->value("a"))
                     : error  ? "aborted " + error->message()
                              : "closed");
    });
  };
  Pipe orderly, broken, left, late;
  for (Pipe* pipe : {&orderly, &broken, &left}) watch(*pipe);
  orderly.finish({{"a", "1"}});
  orderly.close();
  broken.abort(Error(Code::unavailable, "gone"));
  broken.close();
  left.close();
  left.finish();
  late.finish({{"a", "2"}});
  watch(late);
  EXPECT_EQ(seen, (std::vector<std::string>{"finished 1", "aborted gone", "closed", "finished 2"}));
}

/// Lets everything before the first '!' pass.
class UntilMark final : public Pipe::Filter {
 public:
  explicit UntilMark(bool as_trailers) : as_trailers_(as_trailers) {}
  std::size_t on_bytes(std::string_view bytes, std::optional<Error>& error) override {
    const std::size_t mark = bytes.find('!');
    if (mark == std::string_view::npos) return bytes.size();
    error = Error(Code::resource_exhausted, "marked");
    return mark;
  }
  std::optional<Headers> on_error(const Error& error) override {
    if (!as_trailers_) return std::nullopt;
    return Headers{{"x-why", error.message()}};
  }

 private:
  bool as_trailers_;
};

struct Producer final : Pipe::ProducerEvents {
  void on_taken(std::size_t) override {}
  void on_consumer_closed() override { ++left; }
  int left = 0;
};

TEST(PipeFilter, WhatItRefusesEndsTheStreamAndTheProducerHears) {
  Pipe pipe;
  Producer producer;
  pipe.set_producer(&producer);
  pipe.set_filter(std::make_unique<UntilMark>(false));
  pipe.push(std::string_view("one "));
  EXPECT_EQ(producer.left, 0);
  pipe.push(std::string_view("two!three"));
  pipe.push(std::string_view("four"));
  pipe.finish();
  EXPECT_EQ(producer.left, 1);
  ASSERT_NE(pipe.error(), nullptr);
  EXPECT_EQ(pipe.error()->message(), "marked");
  EXPECT_EQ(pipe.available(), 0U);
}

TEST(Pipe, IsCutForBothEnds) {
  Pipe pipe;
  Producer producer;
  pipe.set_producer(&producer);
  pipe.push(std::string_view("begun"));
  pipe.cut(Error(Code::deadline_exceeded, "too late"));
  EXPECT_EQ(producer.left, 1);
  EXPECT_EQ(pipe.available(), 0U);
  ASSERT_NE(pipe.error(), nullptr);
  EXPECT_EQ(pipe.error()->message(), "too late");
  pipe.cut(Error(Code::unknown, "again"));
  EXPECT_EQ(pipe.error()->message(), "too late");

  Pipe over;
  over.push(std::string_view("all"));
  over.finish();
  over.cut(Error(Code::unknown, "too late"));
  EXPECT_EQ(over.take(), "all");
  EXPECT_TRUE(over.at_end());

  Pipe left;
  Producer told;
  left.set_producer(&told);
  left.close();
  left.cut(Error(Code::unknown, "too late"));
  EXPECT_EQ(told.left, 1);
}

TEST(PipeFilter, AnErrorMayEndTheStreamInGoodOrder) {
  Pipe refused;
  Producer producer;
  refused.set_producer(&producer);
  refused.set_filter(std::make_unique<UntilMark>(true));
  refused.push(std::string(20'000, 'a') + "!b");
  EXPECT_EQ(producer.left, 1);
  EXPECT_EQ(refused.available(), 20'000U);
  EXPECT_TRUE(refused.finished());
  EXPECT_EQ(refused.trailers().value("x-why"), "marked");

  Pipe broken;
  broken.set_filter(std::make_unique<UntilMark>(true));
  broken.abort(Error(Code::unavailable, "gone"));
  EXPECT_EQ(broken.error(), nullptr);
  EXPECT_EQ(broken.trailers().value("x-why"), "gone");
}

TEST(PipeFilter, SeesWhatIsInThePipeAlready) {
  Pipe pipe;
  Producer producer;
  pipe.set_producer(&producer);
  pipe.push(std::string(17'000, 'a'));
  pipe.push(std::string(17'000, 'b') + "!");
  pipe.push(std::string(17'000, 'c'));
  pipe.finish({{"x-why", "it is over"}});
  EXPECT_EQ(pipe.take(5), "aaaaa");
  pipe.set_filter(std::make_unique<UntilMark>(true));
  EXPECT_EQ(producer.left, 1);
  EXPECT_EQ(pipe.available(), 34'000U - 5);
  EXPECT_EQ(pipe.trailers().value("x-why"), "marked");

  Pipe broken;
  broken.push(std::string_view("fine"));
  broken.abort(Error(Code::unavailable, "gone"));
  broken.set_filter(std::make_unique<UntilMark>(true));
  EXPECT_EQ(broken.take(), "fine");
  EXPECT_TRUE(broken.at_end());
  EXPECT_EQ(broken.trailers().value("x-why"), "gone");

  Pipe first;
  first.push(std::string_view("!"));
  first.set_filter(std::make_unique<UntilMark>(false));
  EXPECT_NE(first.error(), nullptr);
}

}  // namespace
}  // namespace outrigger::net
