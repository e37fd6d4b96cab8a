#include "components/clients/postgres/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::components::postgres {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

Parameters parsed(std::string_view text) {
  auto parameters = parse_connection_string(text);
  EXPECT_TRUE(parameters) << text << ": " << parameters.error().message();
  return parameters.value_or(Parameters());
}

TEST(ConnectionString, WordsMayBeQuotedAndEscaped) {
  EXPECT_THAT(parsed("host=localhost user=postgres password=example port=5432"),
              ElementsAre(Pair("host", "localhost"), Pair("password", "example"),
                          Pair("port", "5432"), Pair("user", "postgres")));
  EXPECT_THAT(parsed(R"( user = 'it\'s'  password='a b\'c\\d' host='' port=a\ b)"),
              ElementsAre(Pair("host", ""), Pair("password", R"(a b'c\d)"), Pair("port", "a b"),
                          Pair("user", "it's")));
}

TEST(ConnectionString, TheLastOfANameCountsAndDatabaseIsDbname) {
  EXPECT_THAT(parsed("dbname=a user=x database=b user=y"),
              ElementsAre(Pair("dbname", "b"), Pair("user", "y")));
}

TEST(ConnectionString, WordsWithoutAValueArePassedOver) {
  EXPECT_THAT(parsed("nonsense host=h more"), ElementsAre(Pair("host", "h")));
  EXPECT_THAT(parsed(""), IsEmpty());
  EXPECT_THAT(parsed(" \t\n"), IsEmpty());
}

TEST(ConnectionString, UrlsHaveTheirPartsUnescaped) {
  EXPECT_THAT(
      parsed("postgres://us%40er:p%3Aa%2Fss@db.example:5433/my%20db?sslmode=require"
             "&application_name=a+b&search_path=s%2Ct"),
      ElementsAre(Pair("application_name", "a b"), Pair("dbname", "my db"),
                  Pair("host", "db.example"), Pair("password", "p:a/ss"), Pair("port", "5433"),
                  Pair("search_path", "s,t"), Pair("sslmode", "require"), Pair("user", "us@er")));
  EXPECT_THAT(parsed("postgresql://"), IsEmpty());
  EXPECT_THAT(parsed("postgresql:///db?host=/run/pg"),
              ElementsAre(Pair("dbname", "db"), Pair("host", "/run/pg")));
}

TEST(ConnectionString, UrlsMayNameSeveralHosts) {
  EXPECT_THAT(parsed("postgres://a:1,[::1]:2,c/db"),
              ElementsAre(Pair("dbname", "db"), Pair("host", "a,::1,c"), Pair("port", "1,2,")));
  EXPECT_THAT(parsed("postgres://%2Frun%2Fpg/db"),
              ElementsAre(Pair("dbname", "db"), Pair("host", "/run/pg")));
}

TEST(ConnectionString, ErrorsDoNotRepeatTheText) {
  for (const std::string_view text :
       {"password='secret", "host=a password=secret\\", "postgres://u:secret%zz@h",
        "postgres://u:secret@[::1", "postgres://u:secret@h:port", "=secret",
        "postgres://u:secret@h:99999", "postgres://u:secret@[::1]x"}) {
    auto refused = parse_connection_string(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), Code::invalid_argument);
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("secret")));
  }
  EXPECT_FALSE(parse_connection_string(std::string_view("host=a\0b", 8)));
  EXPECT_FALSE(parse_connection_string("postgres://a%00b/"));
}

}  // namespace
}  // namespace outrigger::components::postgres
