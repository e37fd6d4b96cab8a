#include "components/nameresolution/mdns_records.h"

#include "base/hex.h"

namespace outrigger::components::nameresolution::mdns {
namespace {

Service service(std::string address = "192.0.2.2", int port = 50001) {
  return make_service({.app_id = "orders",
                       .host = "vm",
                       .instance = "vm:4711",
                       .address = std::move(address),
                       .port = port})
      .value();
}

dns::Message asks(std::string name, dns::Type type) {
  dns::Message query;
  query.questions.push_back({.name = std::move(name), .type = type});
  return query;
}

/// As it is after a trip over the network.
dns::Message sent(const dns::Message& message) {
  return dns::parse(dns::serialise(message).value()).value();
}

TEST(MdnsRecords, NamesAreUpstreams) {
  const Service made = service();
  EXPECT_EQ(made.service_name, "orders.local");
  EXPECT_EQ(made.instance_name, "vm:4711.orders.local");
  EXPECT_EQ(made.host_name, "vm.local");
}

TEST(MdnsRecords, ABrowserGetsAllThatItNeedsInOneMessage) {
  const auto reply = answer(service(), sent(browse_query({"orders"})), Asker::multicast_dns);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->unicast);
  EXPECT_TRUE(reply->message.questions.empty());
  ASSERT_EQ(reply->message.answers.size(), 1U);
  EXPECT_EQ(reply->message.answers[0].data,
            decltype(dns::Record::data)(dns::Ptr{"vm:4711.orders.local"}));
  const auto found = find_services(sent(reply->message));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].app_id, "orders");
  EXPECT_EQ(found[0].ipv4, "192.0.2.2:50001");
  EXPECT_EQ(found[0].ipv6, "");
  EXPECT_FALSE(found[0].gone);
  EXPECT_FALSE(found[0].loopback);
}

TEST(MdnsRecords, AnIpv6AddressIsInBrackets) {
  for (const auto* text : {"2001:db8::1", "[2001:db8::1]"}) {
    const auto found = find_services(sent(announcement(service(text))));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].ipv6, "[2001:db8::1]:50001");
  }
}

TEST(MdnsRecords, LoopbackAddressesAreMarked) {
  for (const auto* text : {"127.0.0.1", "localhost", "[::1]", "::1"}) {
    const auto found = find_services(announcement(service(text)));
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_TRUE(found[0].loopback) << text;
  }
}

TEST(MdnsRecords, AnAddressThatIsNoneIsAnError) {
  const auto made =
      make_service({.app_id = "a", .host = "h", .instance = "i", .address = "x", .port = 1});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "failed to parse given IP: x");
}

TEST(MdnsRecords, APortThatIsNoneIsAnError) {
  for (const int port : {0, -1, 65536}) {
    EXPECT_FALSE(make_service(
        {.app_id = "a", .host = "h", .instance = "i", .address = "127.0.0.1", .port = port}));
  }
}

TEST(MdnsRecords, AGoodbyeTellsThatTheInstanceIsGone) {
  const auto found = find_services(sent(goodbye(service())));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].gone);
  EXPECT_EQ(found[0].ipv4, "192.0.2.2:50001");
}

TEST(MdnsRecords, SrvTxtAddressesAndTheServiceTypesAreAnsweredByName) {
  const Service made = service();
  const auto types = [&](std::string name, dns::Type type) {
    std::vector<dns::Type> out;
    const auto reply = answer(made, asks(std::move(name), type), Asker::multicast_dns);
    if (!reply) return out;
    for (const auto& record : reply->message.answers) out.push_back(record.type());
    return out;
  };
  using enum dns::Type;
  EXPECT_THAT(types("vm:4711.orders.local", srv), testing::ElementsAre(srv));
  EXPECT_THAT(types("vm:4711.orders.local", txt), testing::ElementsAre(txt));
  EXPECT_THAT(types("VM:4711.Orders.Local", any), testing::ElementsAre(srv, txt));
  EXPECT_THAT(types("vm.local", a), testing::ElementsAre(a));
  EXPECT_THAT(types("vm.local", aaaa), testing::IsEmpty());
  EXPECT_THAT(types("_services._dns-sd._udp.local", ptr), testing::ElementsAre(ptr));
  EXPECT_THAT(types("orders.local", a), testing::IsEmpty());
  EXPECT_THAT(types("other.local", ptr), testing::IsEmpty());
}

TEST(MdnsRecords, ManyQuestionsForTheSameGetOneAnswer) {
  dns::Message query;
  for (int i = 0; i < 700; ++i) query.questions.push_back({.name = "orders.local"});
  const auto reply = answer(service(), query, Asker::multicast_dns);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->message.answers.size() + reply->message.additionals.size(), 4U);
}

TEST(MdnsRecords, AnAnswerThatTheAskerKnowsIsNotGiven) {
  const Service made = service();
  dns::Message query = browse_query({"orders"});
  query.answers.push_back(
      {.name = "orders.local", .data = dns::Ptr{made.instance_name}, .ttl_seconds = 1600});
  EXPECT_FALSE(answer(made, query, Asker::multicast_dns));
  query.answers[0].ttl_seconds = 1599;  // Less than half of 3200: it wants to know anew.
  EXPECT_TRUE(answer(made, query, Asker::multicast_dns));
}

TEST(MdnsRecords, ResponsesAndProbesAreNotAnswered) {
  dns::Message query = browse_query({"orders"});
  query.response = true;
  EXPECT_FALSE(answer(service(), query, Asker::multicast_dns));
  query.response = false;
  query.authorities.push_back({.name = "x", .data = dns::Txt{{"x"}}});
  EXPECT_FALSE(answer(service(), query, Asker::multicast_dns));
}

TEST(MdnsRecords, TheAskerGetsTheAnswerAloneIfItWantsSo) {
  dns::Message query = browse_query({"orders"});
  query.questions[0].unicast = true;
  EXPECT_TRUE(answer(service(), query, Asker::multicast_dns)->unicast);
}

TEST(MdnsRecords, APlainDnsClientGetsItsQuestionAndShortLifetimes) {
  dns::Message query = asks("vm.local", dns::Type::a);
  query.id = 77;
  const auto reply = answer(service(), query, Asker::legacy);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->unicast);
  EXPECT_EQ(reply->message.id, 77);
  EXPECT_EQ(reply->message.questions, query.questions);
  EXPECT_EQ(reply->message.answers.at(0).ttl_seconds, 10U);
}

TEST(MdnsRecords, AHostWithALongOrStrangeNameStillMakesADnsName) {
  for (const auto& host : {std::string(64, 'h'), std::string(), std::string("..."),
                           std::string("a..b"), std::string(300, '.') + "x"}) {
    const auto made = make_service({.app_id = std::string(63, 'a'),
                                    .host = host,
                                    .instance = host + ":4711",
                                    .address = "192.0.2.2",
                                    .port = 1});
    ASSERT_TRUE(made);
    EXPECT_TRUE(dns::serialise(announcement(*made))) << host;
    EXPECT_THAT(made->instance_name, testing::HasSubstr(":4711."));
  }
}

TEST(MdnsRecords, OnlyAppIdsThatFitInDnsCanBeFound) {
  EXPECT_TRUE(can_be_found("orders"));
  EXPECT_TRUE(can_be_found(std::string(63, 'a')));
  EXPECT_FALSE(can_be_found(std::string(64, 'a')));
  EXPECT_FALSE(can_be_found(""));
  EXPECT_FALSE(can_be_found("."));
  EXPECT_FALSE(can_be_found("a..b"));
  EXPECT_TRUE(can_be_found("back\\slash"));
}

TEST(MdnsRecords, ABackslashInAnAppIdIsNoEscape) {
  const auto made = make_service({.app_id = "back\\slash",
                                  .host = "vm",
                                  .instance = "vm:1",
                                  .address = "192.0.2.2",
                                  .port = 1});
  const auto reply =
      answer(made.value(), sent(browse_query({"back\\slash"})), Asker::multicast_dns);
  ASSERT_TRUE(reply);
  EXPECT_EQ(find_services(sent(reply->message)).at(0).app_id, "back\\slash");
}

// Caught from daprd 1.18.3 with the app id nrup-a on the machine vm: an answer to a browser, and
// the goodbye.
constexpr std::string_view kUpstreamAnswer =
    "000084000000000100000003066e7275702d61056c6f63616c00000c000100000c80000b08766d3a323934"
    "3933c00cc0240021000100000c800010000000005bce02766d056c6f63616c00c0240010000100000c8000"
    "07066e7275702d61c04100010001000000780004c0000202";
constexpr std::string_view kUpstreamGoodbye =
    "00008000000000050000000008766d3a3239343933066e7275702d61056c6f63616c000021800100000000"
    "0010000000005bce02766d056c6f63616c0008766d3a3239343933066e7275702d61056c6f63616c000010"
    "8001000000000007066e7275702d61066e7275702d61056c6f63616c00000c000100000000001708766d3a"
    "3239343933066e7275702d61056c6f63616c00095f7365727669636573075f646e732d7364045f75647005"
    "6c6f63616c00000c000100000000000e066e7275702d61056c6f63616c0002766d056c6f63616c00000180"
    "01000000000004c0000202";

TEST(MdnsRecords, WhatUpstreamSendsIsUnderstood) {
  for (const bool gone : {false, true}) {
    const auto bytes = hex_decode(gone ? kUpstreamGoodbye : kUpstreamAnswer);
    const auto message = dns::parse(bytes.value());
    ASSERT_TRUE(message);
    const auto found = find_services(*message);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].app_id, "nrup-a");
    EXPECT_EQ(found[0].ipv4, "192.0.2.2:23502");
    EXPECT_EQ(found[0].gone, gone);
  }
}

TEST(MdnsRecords, AnAnswerHasTheBytesOfUpstreams) {
  const auto upstreams = make_service({.app_id = "nrup-a",
                                       .host = "vm",
                                       .instance = "vm:29493",
                                       .address = "192.0.2.2",
                                       .port = 23502});
  const auto reply = answer(upstreams.value(), browse_query({"nrup-a"}), Asker::multicast_dns);
  ASSERT_TRUE(reply);
  EXPECT_EQ(dns::serialise(reply->message).value(), hex_decode(kUpstreamAnswer).value());
}

TEST(MdnsRecords, WhatDoesNotFitTogetherIsNotFound) {
  const auto found_without = [](auto change) {
    dns::Message message = announcement(service());
    change(message);
    return find_services(message).size();
  };
  EXPECT_EQ(found_without([](dns::Message&) {}), 1U);
  EXPECT_EQ(found_without([](auto& m) { m.answers.erase(m.answers.begin()); }), 0U);      // SRV
  EXPECT_EQ(found_without([](auto& m) { m.answers.erase(m.answers.begin() + 1); }), 0U);  // TXT
  EXPECT_EQ(found_without([](auto& m) { m.answers.pop_back(); }), 0U);                    // A
  // The text names another app than the service type does.
  EXPECT_EQ(found_without([](auto& m) { m.answers[1].data = dns::Txt{{"payments"}}; }), 0U);
  EXPECT_EQ(found_without([](auto& m) { m.answers[1].data = dns::Txt{{"rders"}}; }), 0U);
  EXPECT_EQ(found_without([](auto& m) { m.answers[1].data = dns::Txt{}; }), 0U);
  EXPECT_EQ(
      found_without([](auto& m) { m.answers[0].data = dns::Srv{.port = 0, .target = "vm.local"}; }),
      0U);
  EXPECT_EQ(found_without([](auto& m) {
              m.answers.back().data = dns::Aaaa{{0xfe, 0x80}};  // Link-local.
            }),
            0U);
}

}  // namespace
}  // namespace outrigger::components::nameresolution::mdns
