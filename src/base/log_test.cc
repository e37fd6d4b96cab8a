#include "base/log.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include <unistd.h>

#include "base/json.h"
#include "base/pch_test.h"
#include "base/strings.h"

namespace outrigger {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

const Logger kLog("dapr.runtime");
constexpr char kTime[] = "[0-9]+-[0-9]+-[0-9]+T[0-9:.]+(Z|[+-][0-9:]+)";

std::string keys_of(std::string_view line) {
  std::string keys;
  EXPECT_TRUE(json::for_each_member(trim(line), [&](std::string_view key, std::string_view) {
    keys += key;
    keys += ' ';
  }));
  return keys;
}

TEST(Log, TextHasUpstreamsKeysInUpstreamsOrder) {
  LogCapture capture({.app_id = "shop"});
  kLog.info("Starting Dapr Runtime -- version ", 1, '.' == '.', " took ",
            std::chrono::milliseconds(1500));
  EXPECT_THAT(capture.text(),
              MatchesRegex(std::string("time=\"") + kTime +
                           "\" level=info msg=\"Starting Dapr Runtime -- version 1true took 1.5s\" "
                           "app_id=shop instance=[^ ]+ scope=dapr.runtime type=log ver=[^ ]+\n"));
}

TEST(Log, TextQuotesOnlyWhatNeedsIt) {
  LogCapture capture;
  kLog.warn("plain-word_1.2/3@4^5+6");
  kLog.error("a \"b\"\n");
  EXPECT_THAT(capture.text(), HasSubstr(" level=warning msg=plain-word_1.2/3@4^5+6 instance="));
  EXPECT_THAT(capture.text(), HasSubstr(R"( level=error msg="a \"b\"\n" instance=)"));
}

TEST(Log, AnEmptyMessageHasNoMsgKeyInText) {
  LogCapture capture;
  kLog.info("");
  EXPECT_THAT(capture.text(), testing::Not(HasSubstr("msg=")));
}

TEST(Log, JsonHasItsKeysSorted) {
  LogCapture capture({.app_id = "shop", .as_json = true});
  kLog.info("a <b>");
  EXPECT_EQ(keys_of(capture.text()), "app_id instance level msg scope time type ver ");
  EXPECT_THAT(capture.text(), HasSubstr(R"("msg":"a \u003cb\u003e")"));
  EXPECT_THAT(capture.text(), HasSubstr(R"("level":"info")"));
}

TEST(Log, AnApiCallIsLoggedWithItsFields) {
  const Logger calls("dapr.runtime.http-info", Logger::Threshold::always);
  const LogField fields[] = {{"method", "GET /v1.0/state/s/k"},
                             {"code", 200},
                             {"duration", 3},
                             {"size", 17},
                             {"useragent", "curl/8"}};
  {
    LogCapture capture({.app_id = "a", .level = LogLevel::error, .as_json = true});
    calls.log(LogLevel::info, "HTTP API Called", fields);
    EXPECT_EQ(keys_of(capture.text()),
              "app_id code duration instance level method msg scope size time type useragent ver ");
    EXPECT_EQ(json::member(trim(capture.text()), "code"), "200");
    EXPECT_EQ(json::member(trim(capture.text()), "duration"), "3");
  }
  LogCapture capture;
  calls.log(LogLevel::info, "HTTP API Called", fields);
  EXPECT_THAT(capture.text(),
              HasSubstr(R"(level=info msg="HTTP API Called" code=200 duration=3 instance=)"));
  EXPECT_THAT(capture.text(), HasSubstr(R"(method="GET /v1.0/state/s/k" scope=)"));
}

TEST(Log, ALevelThatIsOffWritesNothing) {
  LogCapture capture({.level = LogLevel::warn});
  kLog.debug("d");
  kLog.info("i");
  EXPECT_EQ(capture.text(), "");
  EXPECT_FALSE(kLog.enabled(LogLevel::info));
  kLog.warn("w");
  EXPECT_TRUE(capture.contains("msg=w"));
}

TEST(Log, AFieldOfTheCallReplacesACommonOne) {
  LogCapture capture;
  const LogField fields[] = {{"type", "request"}};
  kLog.log(LogLevel::info, "m", fields);
  EXPECT_TRUE(capture.contains(" type=request "));
  EXPECT_FALSE(capture.contains("type=log"));
}

TEST(Log, LevelsHaveUpstreamsNames) {
  EXPECT_EQ(parse_log_level("WARN"), LogLevel::warn);
  EXPECT_EQ(parse_log_level("fatal"), LogLevel::fatal);
  EXPECT_EQ(parse_log_level("warning"), std::nullopt);
  EXPECT_EQ(parse_log_level(""), std::nullopt);
  EXPECT_EQ(to_string(LogLevel::warn), "warn");
}

TEST(Log, LinesGoToAFileAndAreAppended) {
  char path[] = "/tmp/outrigger-log-XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "before\n", 7), 7);
  ::close(fd);
  ASSERT_TRUE(configure_logging({.app_id = "f", .file = path}));
  kLog.info("first");
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) kLog.info("together");
    });
  }
  threads.clear();
  ASSERT_TRUE(configure_logging({}));
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  std::remove(path);
  const std::string text = content.str();
  const auto lines = split(trim(text), '\n');
  EXPECT_EQ(lines.size(), 202U);
  EXPECT_EQ(lines[0], "before");
  for (std::size_t i = 1; i < lines.size(); ++i) {
    EXPECT_TRUE(lines[i].starts_with("time=") && lines[i].find(" ver=") != std::string::npos);
  }
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  const auto result = configure_logging({.file = "/no/such/folder/x.log"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "failed to open log file \"/no/such/folder/x.log\": open /no/such/folder/x.log: "
            "No such file or directory");
}

TEST(LogDeathTest, FatalWritesAndEndsWithExitCodeOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(kLog.fatal("over"), testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace outrigger
