#include "runtime/invoke/target.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace outrigger::runtime::invoke {
namespace {

TEST(AppName, MayHaveOneNamespace) {
  auto plain = parse_app_name("app", "own").value();
  EXPECT_EQ(plain.id, "app");
  EXPECT_EQ(plain.app_namespace, "own");
  auto other = parse_app_name("app.other", "own").value();
  EXPECT_EQ(other.id, "app");
  EXPECT_EQ(other.app_namespace, "other");
  EXPECT_EQ(parse_app_name("a.b.c", "own").error().message(), "invalid app id a.b.c");
  EXPECT_EQ(parse_app_name("", "own").error().message(), "app id is empty");
}

TEST(AppName, MayBeAUrlWithDots) {
  auto url = parse_app_name("https://api.example.com:8443", "own").value();
  EXPECT_TRUE(url.is_url);
  EXPECT_EQ(url.id, "https://api.example.com:8443");
}

struct Case {
  std::string_view path;
  std::string_view app;  // Empty: none is found.
  std::string_view method;
};

TEST(Destination, IsReadFromThePath) {
  constexpr Case kCases[] = {
      {"/v1.0/invoke/app/method/foo", "app", "foo"},
      {"/v1.0/invoke/app.ns/method/a/b", "app.ns", "a/b"},
      {"/v1.0////invoke/app/method/foo", "app", "foo"},
      {"/v1.0//invoke//app/method//foo", "app", "/foo"},
      {"//v1.0/invoke/app/method/", "app", ""},
      {"/v1.0/invoke/http://example.com:80/method/x", "http://example.com:80", "x"},
      {"/v1.0/invoke/a+b/method/x", "a b", "x"},
      {"/v1.0/invoke/app/method/a/../b", "app", "b"},
      {"/v1.0/invoke/app/method/x/method/y", "app", "x/method/y"},
      {"/v1.0/invoke/app", "", ""},
      {"/v1.0/invoke/app/method", "", ""},
      {"/v1.0/invoke//method/x", "", ""},
      {"/v1.0/invokes/app/method/x", "", ""},
      {"/v1.0/state/app/method/x", "", ""},
      {"v1.0/invoke/app/method/x", "", ""},
      {"/", "", ""},
      {"", "", ""},
  };
  for (const Case& c : kCases) {
    const auto found = find_destination(c.path, {});
    ASSERT_EQ(found.has_value(), !c.app.empty()) << c.path;
    if (!found) continue;
    EXPECT_EQ(found->app, c.app) << c.path;
    EXPECT_EQ(found->method, c.method) << c.path;
  }
}

TEST(Destination, IsReadFromTheHeaderBeforeAllElse) {
  const net::Headers headers{{"Dapr-App-Id", "header"},
                             {"Authorization", "Basic " + base64_encode("dapr-app-id:basic")}};
  const auto found = find_destination("/v1.0/invoke/path/method/../x//", headers);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->app, "header");
  EXPECT_EQ(found->method, "v1.0/invoke/path/x");
  EXPECT_EQ(find_destination("/", headers)->method, "");
}

TEST(Destination, IsReadFromBasicAuthentication) {
  const auto with = [](std::string_view text) {
    return net::Headers{{"Authorization", "Basic " + base64_encode(text)}};
  };
  const auto found = find_destination("///foo", with("DAPR-app-id:basic"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->app, "basic");
  EXPECT_EQ(found->method, "foo");
  EXPECT_FALSE(find_destination("/foo", with("dapr-app-id:")));
  EXPECT_FALSE(find_destination("/foo", with("user:password")));
  EXPECT_FALSE(find_destination("/foo", with("dapr-app-id:a:b")));
  EXPECT_FALSE(find_destination("/foo", {{"Authorization", "Basic %%%"}}));
  EXPECT_FALSE(find_destination("/foo", {{"Authorization", "Bearer x"}}));
}

}  // namespace
}  // namespace outrigger::runtime::invoke
