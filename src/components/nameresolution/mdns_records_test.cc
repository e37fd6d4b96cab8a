#include "components/nameresolution/mdns_records.h"

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

// What upstream's zeroconf sends for an app "b", as seen on the wire.
TEST(MdnsRecords, UpstreamsAnswerIsUnderstood) {
  dns::Message message{.response = true, .authoritative = true};
  message.answers.push_back(
      {.name = "b.local", .data = dns::Ptr{"vm:9.b.local"}, .ttl_seconds = 3200});
  message.additionals.push_back({.name = "vm:9.b.local",
                                 .data = dns::Srv{.port = 3502, .target = "vm.local"},
                                 .ttl_seconds = 3200});
  message.additionals.push_back(
      {.name = "vm:9.b.local", .data = dns::Txt{{"b"}}, .ttl_seconds = 3200});
  message.additionals.push_back(
      {.name = "vm.local", .data = dns::A{{192, 0, 2, 2}}, .ttl_seconds = 120});
  const auto found = find_services(message);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].app_id, "b");
  EXPECT_EQ(found[0].ipv4, "192.0.2.2:3502");
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
