// What servers answer to middlewares, and rules: a token that can stand in a header, or an error;
// rules that can be asked, or an error. The first byte says what the rest is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "components/middleware/oauth2_token.h"
#include "components/middleware/sentinel_guard.h"

using namespace outrigger::components::middleware;

static void check_token(std::string_view type, std::string_view body) {
  const auto token = oauth2::read_token(200, type, body);
  if (!token) return;
  for (const char c : token->header()) {
    if (c < ' ' || c > '~') std::abort();
  }
}

static void ask_guard(std::string_view text) {
  sentinel::Rules rules;
  if (auto flow = sentinel::read_flow_rules(text)) rules.flow = *flow;
  if (auto breakers = sentinel::read_breaker_rules(text)) rules.breakers = *breakers;
  if (auto isolation = sentinel::read_isolation_rules(text)) rules.isolation = *isolation;
  if (auto system = sentinel::read_system_rules(text)) rules.system = *system;
  sentinel::Guard guard(std::move(rules), {.load = [] { return 1.0; },
                                           .cpu = [] { return 0.5; },
                                           .resident = [] { return std::int64_t{1} << 30; }});
  sentinel::Millis now = 1;
  for (int i = 0; i < 20; ++i) {
    sentinel::Guard::Entry entry{.resource = "r", .next_rule = 0, .began = 0};
    if (guard.enter(entry, now).kind == sentinel::Guard::Verdict::Kind::pass) {
      guard.exit(entry, i % 2 == 0, now + i);
    }
    now += 300;
  }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'j': check_token("application/json", text); break;
    case 'f': check_token("text/plain", text); break;
    default: ask_guard(text); break;
  }
  return 0;
}
