#include "net/dns_message.h"

namespace outrigger::net::dns {
namespace {

using std::string_literals::operator""s;

std::string header(std::uint8_t flags_high, std::array<std::uint8_t, 4> counts) {
  std::string out("\x12\x34"s);
  out += static_cast<char>(flags_high);
  out += '\0';
  for (const auto count : counts) {
    out += '\0';
    out += static_cast<char>(count);
  }
  return out;
}

Message browse_answer() {
  Message message{.id = 7, .response = true, .authoritative = true};
  message.answers.push_back(
      {.name = "app.local", .data = Ptr{"vm:12.app.local"}, .ttl_seconds = 3200});
  message.additionals.push_back({.name = "vm:12.app.local",
                                 .data = Srv{.port = 50001, .target = "vm.local"},
                                 .ttl_seconds = 3200,
                                 .flush = true});
  message.additionals.push_back(
      {.name = "vm:12.app.local", .data = Txt{{"app"}}, .ttl_seconds = 3200});
  message.additionals.push_back(
      {.name = "vm.local", .data = A{{192, 0, 2, 2}}, .ttl_seconds = 120});
  message.additionals.push_back(
      {.name = "vm.local", .data = Aaaa{{0xfd, 0, 0, 1}}, .ttl_seconds = 120});
  message.additionals.push_back({.name = "", .data = Other{47, "x\0y"s}, .ttl_seconds = 1});
  return message;
}

TEST(DnsMessage, AQueryHasTheBytesOfRfc1035) {
  Message query;
  query.questions.push_back({.name = "app.local", .type = Type::ptr, .unicast = true});
  EXPECT_EQ(serialise(query).value(),
            "\0\0\0\0\0\x01\0\0\0\0\0\0\x03"
            "app\x05"
            "local\0\0\x0c\x80\x01"s);
}

TEST(DnsMessage, AMessageReadsBackEqual) {
  const Message message = browse_answer();
  const auto bytes = serialise(message);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(parse(*bytes).value(), message);
}

TEST(DnsMessage, NamesAreSharedByPointersButForTheTargetOfSrv) {
  const std::string bytes = serialise(browse_answer()).value();
  const auto count = [&](std::string_view part) {
    std::size_t found = 0;
    for (auto at = bytes.find(part); at != std::string::npos; at = bytes.find(part, at + 1)) {
      ++found;
    }
    return found;
  };
  EXPECT_EQ(count("\x03"
                  "app\x05"
                  "local"),
            1U);
  EXPECT_EQ(count("\x05vm:12"), 1U);
  EXPECT_EQ(count("\x05local"), 2U);
}

TEST(DnsMessage, ADotOrBackslashInsideALabelKeepsItsPlace) {
  EXPECT_EQ(escape_label("a.b\\c"), "a\\.b\\\\c");
  Message query;
  query.questions.push_back({.name = "a\\.b\\\\c.local"});
  const auto bytes = serialise(query);
  ASSERT_TRUE(bytes);
  EXPECT_NE(bytes->find("\x05"
                        "a.b\\c\x05local"),
            std::string::npos);
  EXPECT_EQ(parse(*bytes)->questions[0].name, "a\\.b\\\\c.local");
}

TEST(DnsMessage, NamesThatCannotBeSentAreErrors) {
  const std::string label63(63, 'a');
  EXPECT_TRUE(is_valid_name(label63 + ".local"));
  EXPECT_FALSE(is_valid_name(label63 + "a.local"));
  EXPECT_FALSE(is_valid_name("a..local"));
  EXPECT_FALSE(is_valid_name(".local"));
  EXPECT_FALSE(is_valid_name("local."));
  // 4 x 64 bytes and the root are 257 on the wire.
  const std::string three = label63 + "." + label63 + "." + label63;
  EXPECT_FALSE(is_valid_name(three + "." + label63));
  EXPECT_TRUE(is_valid_name(three + "." + std::string(61, 'a')));
  Message query;
  query.questions.push_back({.name = "a..b"});
  EXPECT_EQ(serialise(query).error().code(), Code::invalid_argument);
}

TEST(DnsMessage, AMessageThatIsTooLongIsNotWritten) {
  Message message;
  for (int i = 0; i < 40; ++i) {
    message.answers.push_back({.name = "a", .data = Other{99, std::string(255, 'x')}});
  }
  EXPECT_EQ(serialise(message).error().code(), Code::invalid_argument);
  message.answers.assign(1, {.name = "a", .data = Txt{{std::string(256, 'x')}}});
  EXPECT_EQ(serialise(message).error().code(), Code::invalid_argument);
}

TEST(DnsMessage, EveryCutOfAMessageIsAnError) {
  const std::string bytes = serialise(browse_answer()).value();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(parse(std::string_view(bytes).substr(0, length))) << length;
  }
}

TEST(DnsMessage, APointerToItselfOrForwardIsAnError) {
  const std::string rest = "\0\x0c\0\x01"s;
  EXPECT_FALSE(parse(header(0, {1, 0, 0, 0}) + "\xc0\x0c"s + rest));
  EXPECT_FALSE(parse(header(0, {1, 0, 0, 0}) + "\xc0\x0e"s + rest));
  EXPECT_FALSE(parse(header(0, {1, 0, 0, 0}) + "\xc0"s));
  // A label, then back to the label: for ever, if it were followed.
  EXPECT_FALSE(parse(header(0, {1, 0, 0, 0}) + "\x01"s + "a\xc0\x0c"s + rest));
}

TEST(DnsMessage, PointersThatMakeANameTooLongAreAnError) {
  // Each name is a label of 63 bytes and a pointer to the name before it.
  std::string bytes = header(0, {5, 0, 0, 0});
  std::size_t before = 0;
  for (int i = 0; i < 5; ++i) {
    const std::size_t here = bytes.size();
    bytes += '\x3f' + std::string(63, 'a');
    if (i == 0) {
      bytes += '\0';
    } else {
      bytes += static_cast<char>(0xc0 | before >> 8);
      bytes += static_cast<char>(before & 0xff);
    }
    bytes += "\0\x0c\0\x01"s;
    before = here;
  }
  const auto message = parse(bytes);
  ASSERT_FALSE(message);
  EXPECT_THAT(message.error().message(), testing::HasSubstr("too long"));
}

TEST(DnsMessage, RecordDataOfAWrongLengthIsAnError) {
  const std::string start = header('\x84', {0, 1, 0, 0}) + "\x01"s + "a\0"s;
  const std::string fixed = "\0\x01\0\0\0\x78"s;                                   // IN, 120 s.
  EXPECT_TRUE(parse(start + "\0\x01"s + fixed + "\0\x04\x01\x02\x03\x04"s));       // A
  EXPECT_FALSE(parse(start + "\0\x01"s + fixed + "\0\x05\x01\x02\x03\x04\x05"s));  // A
  EXPECT_FALSE(parse(start + "\0\x1c"s + fixed + "\0\x04\x01\x02\x03\x04"s));      // AAAA
  EXPECT_FALSE(parse(start + "\0\x10"s + fixed + "\0\x02\x05\x61\0\0\0\0"s));      // TXT
  EXPECT_FALSE(parse(start + "\0\x21"s + fixed + "\0\x06\0\0\0\0\0\x01"s));        // SRV
  EXPECT_FALSE(parse(start + "\0\x0c"s + fixed + "\0\x04\x01\x61\0\0"s));          // PTR
}

TEST(DnsMessage, TooMuchInputIsRefusedBeforeItIsRead) {
  EXPECT_FALSE(parse(std::string(kMessageBytesMax + 1, '\0')));
}

TEST(DnsMessage, NamesCompareWithoutCase) {
  EXPECT_TRUE(same_name("App.Local", "app.local"));
  EXPECT_TRUE(is_below("vm:1.App.local", "app.LOCAL"));
  EXPECT_FALSE(is_below("myapp.local", "app.local"));
  EXPECT_FALSE(is_below("app.local", "app.local"));
  EXPECT_FALSE(is_below(".app.local", "app.local"));
  EXPECT_FALSE(is_below("x\\.app.local", "app.local"));
  EXPECT_TRUE(is_below("x\\\\.app.local", "app.local"));
}

}  // namespace
}  // namespace outrigger::net::dns
