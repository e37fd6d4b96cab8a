#include "runtime/invoke/method.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::invoke {
namespace {

struct Case {
  std::string_view method;
  std::string_view normalised;
};

TEST(Method, IsTheShortestLexicalPath) {
  constexpr Case kCases[] = {
      {"mymethod", "mymethod"},
      {"api/v1/users", "api/v1/users"},
      {"", ""},
      {".", ""},
      {"..", ""},
      {"/", "/"},
      {"/foo", "/foo"},
      {"public/", "public"},
      {"api///v1///users", "api/v1/users"},
      {"admin/../public", "public"},
      {"admin/../../public", "public"},
      {"../../etc/passwd", "etc/passwd"},
      {"../..", ""},
      {"a/./b", "a/b"},
      {".well-known/x", ".well-known/x"},
      {"test%stream", "test%stream"},
      {"test%2Fstream", "test%2Fstream"},
      {"admin%2F..%2Fpublic", "admin%2F..%2Fpublic"},
      {"test\"stream", "test\"stream"},
      {"test*stream", "test*stream"},
      {"test\\stream", "test\\stream"},
      {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
      {"/pkg.Service/Method", "/pkg.Service/Method"},
  };
  for (const Case& c : kCases) EXPECT_EQ(normalise_method(c.method).value(), c.normalised);
}

TEST(Method, WithForbiddenOrControlCharactersIsRefused) {
  using namespace std::string_view_literals;
  for (const auto method : {"a#b"sv, "a?b"sv, "a\0b"sv, "a#b?c%d"sv}) {
    auto refused = normalise_method(method);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  }
  EXPECT_EQ(normalise_method("a#b").error().message(),
            "method contains forbidden character: \"a#b\"");
  EXPECT_EQ(normalise_method("ab\rc").error().message(),
            "method contains control character at position 2: \"ab\\rc\"");
  EXPECT_FALSE(normalise_method("\t"));
  EXPECT_FALSE(normalise_method("x\x7f"));
}

}  // namespace
}  // namespace outrigger::runtime::invoke
