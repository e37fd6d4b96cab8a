"""What tools/tidy must find, and what it must let pass."""

import unittest

from tidy_rules import File, check

TREE = {"src/base/result.h", "src/net/headers.h", "src/net/headers.cc", "src/runtime/state/http.h",
        "src/runtime/state/service.h", "src/runtime/app/channel.h", "src/base/loop.h"}


def rules_broken(path, text):
    return [rule for _, rule, _ in check(File(path, text), TREE)]


def await_rules(body):
    text = "Task<void> f(int n) {\n" + body + "\n}\n"
    return [message[:2] for _, rule, message in check(File("src/net/a.cc", text), TREE)]


class Rooms(unittest.TestCase):
    def test_a_lower_layer_must_not_include_a_higher_one(self):
        self.assertEqual(rules_broken("src/base/a.cc", '#include "net/headers.h"\n'), ["layers"])
        self.assertEqual(rules_broken("src/net/a.cc", '#include "base/result.h"\n'), [])

    def test_control_never_includes_runtime_though_main_may(self):
        include = '#include "runtime/state/service.h"\n'
        self.assertEqual(rules_broken("src/control/placement/a.cc", include), ["layers"])
        self.assertEqual(rules_broken("src/main.cc", include), [])

    def test_a_folder_outside_of_the_map_is_refused(self):
        self.assertEqual(rules_broken("src/util/a.cc", "int a;\n"), ["layers"])

    def test_of_another_block_only_the_service_is_seen(self):
        self.assertEqual(
            rules_broken("src/runtime/invoke/a.cc", '#include "runtime/state/http.h"\n'), ["blocks"])
        for header in ("state/service.h", "app/channel.h"):
            include = f'#include "runtime/{header}"\n'
            self.assertEqual(rules_broken("src/runtime/invoke/a.cc", include), [])


class Includes(unittest.TestCase):
    def test_relative_unrooted_and_unknown_includes_are_refused(self):
        for target in ("../base/result.h", "result.h", "base/nothing.h"):
            self.assertEqual(
                rules_broken("src/net/a.cc", f'#include "{target}"\n'), ["includes"], target)

    def test_the_own_header_comes_first(self):
        text = '#include "base/result.h"\n#include "net/headers.h"\n'
        self.assertEqual(rules_broken("src/net/headers.cc", text), ["includes"])

    def test_a_header_keeps_third_party_headers_out(self):
        for target in ("asio.hpp", "asio/ip/tcp.hpp", "nghttp2/nghttp2.h", "openssl/ssl.h",
                       "dapr/proto/runtime.pb.h", "nlohmann/json.hpp", "yaml-cpp/yaml.h",
                       "simdjson.h", "re2/re2.h", "sqlite3.h", "libpq-fe.h"):
            text = f"#pragma once\n#include <{target}>\n"
            self.assertEqual(rules_broken("src/net/a.h", text), ["headers"], target)
            self.assertEqual(rules_broken("src/net/a_grpc.cc", text), [], target)

    def test_a_header_starts_with_pragma_once(self):
        self.assertEqual(rules_broken("src/net/a.h", "int a();\n"), ["headers"])
        self.assertEqual(rules_broken("src/net/a.h", "// Why.\n#pragma once\nint a();\n"), [])

    def test_messages_are_met_where_they_are_translated(self):
        text = '#include "dapr/proto/runtime/v1/dapr.pb.h"\n'
        for path in ("runtime/a.cc", "runtime/state/other.cc", "runtime/state/notgrpc.cc"):
            self.assertEqual(rules_broken("src/" + path, text), ["messages"], path)
        for path in ("src/runtime/state/grpc.cc", "src/runtime/state/wire_grpc.cc", "src/runtime/state/a_test.cc",
                     "src/components/pluggable/state.cc", "fuzz/a.cc"):
            self.assertEqual(rules_broken(path, text), [], path)

    def test_nghttp2_stays_in_net(self):
        self.assertEqual(
            rules_broken("src/runtime/a.cc", "#include <nghttp2/nghttp2.h>\n"), ["headers"])


class Limits(unittest.TestCase):
    def test_a_long_line_a_long_file_and_a_long_header_are_found(self):
        self.assertEqual(rules_broken("src/net/a.cc", "int a;  //" + "x" * 91 + "\n"), ["limits"])
        self.assertEqual(rules_broken("src/net/a.cc", "int a;\n" * 601), ["limits"])
        self.assertEqual(rules_broken("src/net/a.h", "#pragma once\n" + "int a;\n" * 250), ["limits"])

    def test_a_function_of_71_lines_is_found_wherever_it_stands(self):
        body = "  work();\n" * 69
        for head in ("void f() {\n", "A::A(int b) : b_{b}, c_(1) {\n", "template <class T> int f(T t) {\n",
                     "auto f(int a) -> Task<int> {\n", "TEST(A, B) {\n"):
            for before, after in (("", ""), ("namespace n {\nclass C {\n public:\n", "};\n}\n")):
                text = before + head + body + "}\n" + after
                self.assertEqual(rules_broken("src/net/a.cc", text), ["limits"], head)

    def test_neither_a_class_nor_70_lines_nor_two_functions_are_too_long(self):
        shorter = "void f() {\n" + "  work();\n" * 68 + "}\n"
        members = "struct A {\n" + "  int f(int a) { return a; }\n" * 100 + "};\n"
        table = "constexpr Kind kKinds[] = {\n" + '    {"a", f(1)},\n' * 100 + "};\n"
        for text in (shorter * 3, members, table, "namespace {\n" + table + shorter + "}\n"):
            self.assertEqual(rules_broken("src/net/a.cc", text), [])


class Coroutines(unittest.TestCase):
    def test_what_is_fine(self):
        for body in ("auto r = co_await f(named);", "co_await store->set(std::move(request));",
                     "if (co_await f(n)) {\n  g();\n}", "while (auto r = co_await next()) { use(r); }",
                     "OUT_CO_TRY(auto x, co_await f(std::string(\"{?}\")));",
                     "Request r{.key = 1};\nauto x = co_await f(r);\nauto y = a ? b : c;",
                     "for (auto& item : items) {\n  co_await f(item);\n}",
                     "switch (n) {\n  case 1: {\n    co_await f();\n  }\n}",
                     "auto r = co_await f();\nauto& [a, b] = r;\nint z{1};"):
            self.assertEqual(await_rules(body), [], body)

    def test_a1_a_braced_list_or_lambda_in_an_await(self):
        for body in ("co_await store->set({.key = 1});", "auto r = co_await f(Request{1});",
                     "co_await f([n] { return n; });", "OUT_CO_TRY(auto x, co_await f(A{}));",
                     "Pair p{co_await f(), 1};", "g(Pair{1, co_await f()});"):
            self.assertEqual(await_rules(body), ["A1"], body)

    def test_a2_a_ternary_in_an_await(self):
        for body in ("auto r = co_await (n ? f() : g());", "auto r = n ? co_await f() : 1;",
                     "auto r = (co_await f()) ? 1 : 2;"):
            self.assertEqual(await_rules(body), ["A2"], body)

    def test_a3_a_structured_binding_of_an_await(self):
        self.assertEqual(await_rules("auto [a, b] = co_await f();"), ["A3"])
        self.assertEqual(await_rules("const auto& [a, b] = co_await f();"), ["A3"])


class Words(unittest.TestCase):
    def test_paths_of_one_machine_are_found_in_any_file(self):
        self.assertEqual(rules_broken("docs/a.md", "see /wo" + "rk/main\n"), ["words"])
        self.assertEqual(rules_broken("docs/a.md", "see https://example.com/network/x\n"), [])

    def test_unfinished_work_and_bare_nolint_are_found(self):
        self.assertEqual(rules_broken("src/net/a.cc", "// TO" + "DO: later\n"), ["words"])
        self.assertEqual(rules_broken("src/net/a.cc", "int a;  // NO" + "LINT\n"), ["words"])
        self.assertEqual(
            rules_broken("src/net/a.cc", "int a;  // NO" + "LINT(misc-x): the library asks\n"), [])

    def test_a_test_never_sleeps(self):
        text = "void f() { std::this_thread::sleep_for(1s); }\n"
        self.assertEqual(rules_broken("src/net/a_test.cc", text), ["tests"])
        self.assertEqual(rules_broken("src/net/a.cc", text), [])


if __name__ == "__main__":
    unittest.main()
