#include "base/scope.h"
#include "components/nameresolution/address_book.h"
#include "components/nameresolution/address_template.h"
#include "components/nameresolution/registry.h"

namespace outrigger::components::nameresolution {
namespace {

using namespace std::chrono_literals;

Result<std::unique_ptr<Resolver>> make(std::string_view component, Properties properties) {
  OUT_TRY(const auto* kind, find_resolver(component, ""));
  Loop loop;  // These resolvers keep none.
  ComponentContext context{.loop = loop};
  const Metadata metadata{.name = std::string(component),
                          .type = std::string(kind->type),
                          .properties = std::move(properties)};
  return kind->make(metadata, context);
}

std::string resolve(Resolver& resolver, ResolveRequest request) {
  const auto address = run(resolver.resolve(std::move(request)));
  return address ? *address : address.error().message();
}

ResolveRequest my_request() {
  return {.id = "myid", .app_namespace = "abc", .port = 1234, .data = {{"region", "myland"}}};
}

TEST(NameResolvers, AreFoundByTheNameInTheConfiguration) {
  for (const auto* name : {"mdns", "kubernetes", "sqlite", "nameformat", "MDNS"}) {
    EXPECT_TRUE(find_resolver(name, "")) << name;
    EXPECT_TRUE(find_resolver(name, "v1")) << name;
  }
  const auto none = find_resolver("nope", "v1");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(), "couldn't find name resolver nope/v1");
  EXPECT_FALSE(find_resolver("mdns", "v2"));
}

TEST(NameResolvers, TheTableIsSorted) {
  EXPECT_TRUE(std::ranges::is_sorted(kinds(), {}, &Kind<Resolver>::type));
}

TEST(Kubernetes, NamesTheServiceOfTheApp) {
  auto resolver = make("kubernetes", {}).value();
  EXPECT_EQ(resolve(*resolver, my_request()), "myid-dapr.abc.svc.cluster.local:1234");
}

TEST(Kubernetes, TheClusterDomainCanBeAnother) {
  auto resolver = make("kubernetes", {{"clusterDomain", "mydomain.com"}}).value();
  EXPECT_EQ(resolve(*resolver, my_request()), "myid-dapr.abc.svc.mydomain.com:1234");
  resolver = make("kubernetes", {{"clusterDomain", ""}}).value();
  EXPECT_EQ(resolve(*resolver, my_request()), "myid-dapr.abc.svc.cluster.local:1234");
}

TEST(Kubernetes, ATemplateReplacesTheName) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{.ID}}-{{.Namespace}}.internal:{{.Port}}", "myid-abc.internal:1234"},
      {"{{.ID}}-{{.Data.region}}.internal:{{.Port}}", "myid-myland.internal:1234"},
      {"{{ .ID }}:80", "myid:80"},
      {"a {{- .ID -}} b", "amyidb"},
      {"{{.ID}}{{/* a }} comment */}}:1", "myid:1"},
      {"{{.ID}}{{- /* c */ -}} :1", "myid:1"},
      {"{{.Data.nothing}}", "<no value>"},
      {"{{.CacheKey}}", "abc/myid/1234"},
      {"fixed:1", "fixed:1"},
      {"}} {x}", "}} {x}"},
  };
  for (const auto& [text, expected] : cases) {
    auto resolver = make("kubernetes", {{"template", text}});
    ASSERT_TRUE(resolver) << text;
    EXPECT_EQ(resolve(**resolver, my_request()), expected);
  }
}

TEST(Kubernetes, ATemplateThatIsMoreThanNamesIsRefused) {
  for (const auto* text :
       {"{{.ID", "{{.Id}}", "{{if .ID}}x{{end}}", "{{.ID | printf \"%s\"}}", "{{}}", "{{.Data}}",
        "{{.Data.}}", "{{.Data.a.b}}", "{{/* c }}", "{{-.ID}}"}) {
    const auto resolver = make("kubernetes", {{"template", text}});
    ASSERT_FALSE(resolver) << text;
    EXPECT_THAT(resolver.error().message(), testing::StartsWith("template: "));
  }
}

TEST(Kubernetes, AllAddressesOfANameAreGiven) {
  auto resolver = make("kubernetes", {{"template", "127.0.0.7:{{.Port}}"}}).value();
  ASSERT_NE(resolver->multi(), nullptr);
  auto addresses = run(resolver->multi()->resolve_many(my_request()));
  ASSERT_TRUE(addresses);
  EXPECT_THAT(*addresses, testing::ElementsAre("127.0.0.7:1234"));
}

TEST(NameFormat, PutsTheIdInPlace) {
  auto resolver = make("nameformat", {{"format", "{appid}.x.{appid}:50001"}}).value();
  EXPECT_EQ(resolver->resolve_now(my_request()), "myid.x.myid:50001");
  EXPECT_EQ(resolve(*resolver, {}), "empty ID not allowed");
}

TEST(NameFormat, NeedsAFormatWithThePlaceholder) {
  EXPECT_EQ(make("nameformat", {}).error().message(), "format is required in metadata");
  EXPECT_EQ(make("nameformat", {{"format", "appid:1"}}).error().message(),
            "format must contain {appid} placeholder");
}

/// Answers what the test puts in, and counts how often it is asked.
struct Scripted final : Resolver, MultiResolver {
  bool many = false;
  int asked = 0;
  std::vector<std::string> addresses;
  std::vector<std::string> evicted;

  Task<Result<>> init(Instance) override { co_return Result<>(); }
  std::optional<std::string> resolve_now(const ResolveRequest&) override { return std::nullopt; }
  Task<Result<std::string>> resolve(ResolveRequest) override {
    const auto turn = static_cast<std::size_t>(asked++);
    if (turn < addresses.size()) co_return addresses[turn];
    co_return fail(Code::not_found, "couldn't find service: myid");
  }
  Task<Result<std::vector<std::string>>> resolve_many(ResolveRequest) override {
    ++asked;
    if (addresses.empty()) co_return fail(Code::not_found, "no such host");
    co_return addresses;
  }
  void evict(std::string_view, std::string_view address) override { evicted.emplace_back(address); }
  Task<void> close() override { co_return; }
  MultiResolver* multi() noexcept override { return many ? this : nullptr; }
};

std::string find(Loop& loop, AddressBook& book) {
  const auto found = run_on(loop, book.find(my_request()));
  return found ? *found : found.error().message();
}

TEST(AddressBook, KeepsTheAddressesOfAResolverOfManyUntilOneFails) {
  Loop loop;
  Scripted resolver;
  resolver.many = true;
  resolver.addresses = {"a:1", "b:1"};
  AddressBook book(resolver);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(find(loop, book));
  EXPECT_THAT(seen, testing::ElementsAre("a:1", "b:1"));
  EXPECT_EQ(resolver.asked, 1);
  book.failed(my_request(), "a:1");
  EXPECT_THAT(resolver.evicted, testing::ElementsAre("a:1"));
  find(loop, book);
  EXPECT_EQ(resolver.asked, 2);
}

TEST(AddressBook, AsksAResolverOfOneEachTime) {
  Loop loop;
  Scripted resolver;
  resolver.addresses = {"a:1", "b:1"};
  AddressBook book(resolver);
  EXPECT_EQ(find(loop, book), "a:1");
  EXPECT_EQ(find(loop, book), "b:1");
}

TEST(AddressBook, AsksAgainAsLongAsTheAnswerIsEmpty) {
  Loop loop;
  Scripted resolver;
  resolver.addresses = {"", "", "c:1"};
  AddressBook book(resolver);
  EXPECT_EQ(find(loop, book), "c:1");
  EXPECT_EQ(resolver.asked, 3);
  resolver.asked = 0;
  resolver.addresses.assign(10, "");
  EXPECT_EQ(find(loop, book), "resolver returned empty address for app id abc/myid");
  EXPECT_EQ(resolver.asked, 6);
}

TEST(AddressBook, AnErrorIsFinal) {
  Loop loop;
  Scripted resolver;
  AddressBook book(resolver);
  EXPECT_EQ(find(loop, book), "couldn't find service: myid");
  EXPECT_EQ(resolver.asked, 1);
  resolver.many = true;
  EXPECT_EQ(find(loop, book), "no such host");
}

}  // namespace
}  // namespace outrigger::components::nameresolution
