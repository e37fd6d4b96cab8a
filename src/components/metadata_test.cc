#include "components/metadata.h"

#include "components/component.h"

namespace outrigger::components {
namespace {

using namespace std::chrono_literals;

struct Base {
  std::string token;
};
struct Options : Base {
  std::string host = "localhost";
  bool tls = false;
  int database = 7;
  std::uint64_t size = 0;
  std::chrono::nanoseconds timeout = 20s;
  std::chrono::nanoseconds backoff = 8ms;
  std::optional<std::string> user;
  std::vector<std::string> hosts;
  std::optional<ByteSize> body;
};
constexpr Field<Options> kFields[] = {
    {{.name = "host", .required = true}, &Options::host},
    {{.name = "enableTLS"}, &Options::tls},
    {{.name = "db", .aliases = {"database"}}, &Options::database},
    {{.name = "size"}, &Options::size},
    {{.name = "timeout", .aliases = {"timeoutInSeconds", "limit"}}, &Options::timeout},
    {{.name = "backoff", .bare = BareNumber::milliseconds}, &Options::backoff},
    {{.name = "user"}, &Options::user},
    {{.name = "token", .sensitive = true}, &Options::token},
    {{.name = "hosts"}, &Options::hosts},
    {{.name = "body"}, &Options::body},
};

Result<Options> parse(Properties properties) {
  properties.emplace("host", "h");
  const Metadata metadata{.name = "c", .properties = std::move(properties)};
  return parse_fields<Options>(metadata, kFields);
}
std::string message_of(Properties properties) {
  auto parsed = parse(std::move(properties));
  return parsed ? "no error" : parsed.error().message();
}

TEST(ParseFields, LeavesDefaultsWhereNothingIsGiven) {
  auto options = parse({{"unknown", "x"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->database, 7);
  EXPECT_EQ(options->timeout, 20s);
  EXPECT_FALSE(options->user);
}

TEST(ParseFields, FindsNamesInAnyCaseAndPrefersTheNameToItsAliases) {
  EXPECT_EQ(parse({{"DATABASE", "3"}})->database, 3);
  EXPECT_EQ(parse({{"database", "3"}, {"DB", "4"}})->database, 4);
  EXPECT_EQ(parse({{"limit", "5"}, {"timeoutinseconds", "6"}})->timeout, 6s);
}

TEST(ParseFields, ReadsBooleansAsTruthyAndAnythingElseAsFalse) {
  for (const auto* yes : {"y", "Yes", "TRUE", "t", "on", " 1 "}) {
    EXPECT_TRUE(parse({{"enabletls", yes}})->tls) << yes;
  }
  for (const auto* no : {"", "no", "2", "enabled"}) {
    EXPECT_FALSE(parse({{"enabletls", no}})->tls) << no;
  }
}

TEST(ParseFields, ReadsNumbersAsGoDoes) {
  EXPECT_EQ(parse({{"db", ""}})->database, 0);
  EXPECT_EQ(parse({{"db", "-12"}})->database, -12);
  EXPECT_EQ(parse({{"db", "0x1F"}})->database, 31);
  EXPECT_EQ(parse({{"db", "0o17"}})->database, 15);
  EXPECT_EQ(parse({{"db", "017"}})->database, 15);
  EXPECT_EQ(parse({{"size", "18446744073709551615"}})->size, 18446744073709551615u);
  EXPECT_EQ(message_of({{"db", "1x"}}),
            "metadata field db: \"1x\" is not a whole number that fits");
  EXPECT_NE(message_of({{"db", "2147483648"}}), "no error");
  EXPECT_EQ(parse({{"db", "-2147483648"}})->database, -2147483648);
  EXPECT_NE(message_of({{"size", "-1"}}), "no error");
  EXPECT_NE(message_of({{"size", "18446744073709551616"}}), "no error");
  EXPECT_NE(message_of({{"db", "0x"}}), "no error");
  EXPECT_NE(message_of({{"db", "--1"}}), "no error");
}

TEST(ParseFields, ReadsDurationsWithUnitsOrPlainNumbers) {
  EXPECT_EQ(parse({{"timeout", "1m30s"}})->timeout, 90s);
  EXPECT_EQ(parse({{"timeout", "1200"}})->timeout, 20min);
  EXPECT_EQ(parse({{"timeout", ""}})->timeout, 0s);
  EXPECT_EQ(parse({{"backoff", "250"}})->backoff, 250ms);
  EXPECT_NE(message_of({{"timeout", "soon"}}), "no error");
  EXPECT_NE(message_of({{"timeout", "9223372036854775807"}}), "no error");
}

TEST(ParseFields, ReadsListsSizesAndOptionals) {
  EXPECT_EQ(parse({{"hosts", "a, b,"}})->hosts, (std::vector<std::string>{"a", " b", ""}));
  EXPECT_EQ(parse({{"body", "4Mi"}})->body, ByteSize{4 << 20});
  EXPECT_EQ(parse({{"user", ""}})->user, "");
}

TEST(ParseFields, NamesWhatIsMissingOrTwice) {
  const Metadata empty{.properties = {{"host", ""}}};
  EXPECT_EQ(parse_fields<Options>(empty, kFields).error().message(),
            "metadata field host is required");
  EXPECT_EQ(message_of({{"db", "1"}, {"DB", "2"}}), "key db is duplicate in the metadata");
}

TEST(ParseFields, NeverShowsASensitiveValue) {
  struct Secret {
    int pin = 0;
  };
  constexpr Field<Secret> fields[] = {{{.name = "pin", .sensitive = true}, &Secret::pin}};
  const Metadata metadata{.properties = {{"pin", "hunter2"}}};
  EXPECT_EQ(parse_fields<Secret>(metadata, fields).error().message(),
            "metadata field pin: its value is not a whole number that fits");
}

TEST(Describe, ListsTypesAndDefaults) {
  const auto infos = describe(kFields);
  ASSERT_EQ(infos.size(), std::size(kFields));
  EXPECT_TRUE(infos[0].required);
  EXPECT_EQ(infos[4].type, "duration");
  EXPECT_EQ(infos[4].default_value, "20s");
  EXPECT_EQ(infos[4].aliases, (std::vector<std::string>{"timeoutInSeconds", "limit"}));
  EXPECT_TRUE(infos[7].sensitive);
}

TEST(RequestTtl, TakesDurationsOrSecondsAndRefusesTheRest) {
  EXPECT_EQ(request_ttl({{"ttl", "20s"}}).value(), 20s);
  EXPECT_EQ(request_ttl({{"TTLINSECONDS", "20"}}).value(), 20s);
  EXPECT_EQ(request_ttl({{"ttl", "-1s"}}).value(), 0s);
  EXPECT_EQ(request_ttl({}).value(), std::nullopt);
  EXPECT_EQ(request_ttl({{"ttl", "20b"}}).error().message(),
            "ttl value must be a valid integer: actual is '20b'");
  EXPECT_EQ(request_ttl({{"ttl", "-1"}}).error().message(),
            "ttl value must be higher than zero: actual is '-1'");
  EXPECT_EQ(request_ttl({{"ttl", "9223372036854775807"}}).value(), std::chrono::nanoseconds::max());
}

struct Thing {};
TEST(FindKind, KnowsVersionsAsUpstreamDoes) {
  constexpr Kind<Thing> rows[] = {{"state.one", "v1", nullptr, nullptr},
                                  {"state.two", "v1", nullptr, nullptr, true, true},
                                  {"state.two", "v2", nullptr, nullptr}};
  const std::span<const Kind<Thing>> kinds(rows);
  for (const auto* version : {"", "v0", "v1", "V1"}) {
    EXPECT_EQ(find_kind(kinds, "State.One", version), &rows[0]) << version;
  }
  EXPECT_EQ(find_kind(kinds, "state.one", "v2"), nullptr);
  EXPECT_EQ(find_kind(kinds, "state.two", ""), &rows[1]);
  EXPECT_EQ(find_kind(kinds, "state.two", "v0"), nullptr);
  EXPECT_EQ(find_kind(kinds, "state.two", "v2"), &rows[2]);
  EXPECT_EQ(find_kind(kinds, "state.none", ""), nullptr);
}

TEST(Shared, GivesEveryInstanceTheSameObject) {
  Shared shared;
  int made = 0;
  const auto make = [&made]() -> Result<std::shared_ptr<int>> {
    if (++made == 1) return fail(Code::unavailable, "not yet");
    return std::make_shared<int>(made);
  };
  EXPECT_FALSE(shared.get<int>(make));
  auto first = shared.get<int>(make);
  auto second = shared.get<int>(make);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(made, 2);
}

}  // namespace
}  // namespace outrigger::components
