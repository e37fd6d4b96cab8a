#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/strings.h"
#include "components/middleware/fetch.h"
#include "components/middleware/guest_code.h"
#include "components/middleware/middleware.h"
#include "components/middleware/opa_policy.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib");

constexpr std::string_view kErrorHeader = "x-dapr-opa-error";
constexpr Duration kDecisionTimeout = 10s;
// A server that has lost the policy is given it again, but not for each request.
constexpr Duration kInstallPause = 10s;
// Of a body that a policy sees; what is longer is refused.
constexpr std::size_t kBodyBytesMax = 32U << 20;
constexpr std::size_t kQuotedBytesMax = 1024;
constexpr Duration kEvaluationTimeout = 5s;
// Policies of one loop that are evaluated at the same time; other requests wait for them.
constexpr std::size_t kPoliciesMax = 64;

struct Options {
  std::string rego, server_url, policy_url, included_headers;
  std::string decision = "http/allow";
  int default_status = 403;
  bool read_body = false;
};
constexpr Field<Options> kFields[] = {
    {{.name = "rego"}, &Options::rego},
    {{.name = "opaURL"}, &Options::server_url},
    {{.name = "policyURL"}, &Options::policy_url},
    {{.name = "opaDecision"}, &Options::decision},
    {{.name = "defaultStatus"}, &Options::default_status},
    {{.name = "includedHeaders"}, &Options::included_headers},
    {{.name = "readBody"}, &Options::read_body},
};

/// The name as policies know it: "X-My-Header".
std::string canonical(std::string_view name) {
  std::string out;
  bool first = true;
  for (const char c : name) {
    out += first ? to_upper(c) : to_lower(c);
    first = c == '-';
  }
  return out;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < '\x7f' &&
           std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
  });
}
bool is_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  });
}

/// What a policy says of a request.
struct Decision {
  bool allow = false;
  int status = 0;
  net::Headers headers;
};

Result<> read_headers(std::string_view raw, net::Headers& headers) {
  if (raw == "null") return {};
  json::ObjectReader members(raw);
  while (members.next()) {
    const auto value = json::string_value(members.value());
    if (!value || !is_name(members.key()) || !is_value(*value)) {
      return fail(Code::invalid_argument, "additional_headers has what is no header");
    }
    headers.set(members.key(), *value);
  }
  if (members.ok()) return {};
  return fail(Code::invalid_argument, "additional_headers is not an object of strings");
}

Result<Decision> read_decision(std::string_view raw, int default_status) {
  Decision decision{.allow = false, .status = default_status, .headers = {}};
  if (const auto plain = json::bool_value(raw)) {
    decision.allow = *plain;
    return decision;
  }
  if (json::type_of(raw) != json::Type::object) {
    return fail(Code::invalid_argument,
                "got an invalid type back from repo policy. Only a boolean or map is valid");
  }
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("allow")) {
      const auto allow = json::bool_value(members.value());
      if (!allow) return fail(Code::invalid_argument, "allow is not a boolean");
      decision.allow = *allow;
    } else if (members.key_is("status_code")) {
      const auto status = json::int_value(members.value());
      const bool fits = status && *status >= 100 && *status <= 599;
      if (!fits) return fail(Code::invalid_argument, "status_code is not a status");
      decision.status = static_cast<int>(*status);
    } else if (members.key_is("additional_headers")) {
      OUT_CHECK(read_headers(members.value(), decision.headers));
    }
  }
  if (!members.ok()) return fail(Code::invalid_argument, "the policy's result is not JSON");
  return decision;
}

/// Where a policy is evaluated.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual Task<Result<>> init() = 0;
  virtual Task<void> close() { co_return; }
  /// The result for an input, both JSON; nullopt: there is none.
  virtual Task<Result<std::optional<std::string>>> ask(std::string input) = 0;
};

/// A server of OPA.
class Server final : public Evaluator {
 public:
  Server(const Options& options, net::Endpoint endpoint, std::string policy_id, bool installs)
      : rego_(options.rego),
        endpoint_(std::move(endpoint)),
        policy_url_(options.server_url + "/v1/policies/" + policy_id),
        decision_url_(options.server_url + "/v1/data/" + options.decision),
        installs_(installs) {}

  Task<Result<>> init() override {
    if (!installs_) co_return Result<>();
    auto installed = co_await install();
    co_return installed;
  }
  Task<void> close() override { co_await client_.close(); }

  Task<Result<std::optional<std::string>>> ask(std::string input) override {
    OUT_CO_TRY(auto result, co_await ask_once(input));
    const bool lost =
        !result && !rego_.empty() && std::chrono::steady_clock::now() - installed_ >= kInstallPause;
    if (lost) {
      OUT_CO_CHECK(co_await install());
      OUT_CO_TRY(result, co_await ask_once(std::move(input)));
    }
    co_return result;
  }

 private:
  Task<Result<>> install() {
    if (rego_.empty()) co_return Result<>();
    installed_ = std::chrono::steady_clock::now();
    FetchRequest put;
    put.method = "PUT";
    put.url = policy_url_;
    put.headers.add("Content-Type", "text/plain");
    put.body = rego_;
    auto answer = co_await fetch_with(&client_, endpoint_, std::move(put));
    if (!answer) {
      co_return std::unexpected(
          std::move(answer).error().context("failed to give the policy to the OPA server"));
    }
    if (answer->status == 200) co_return Result<>();
    co_return fail(Code::invalid_argument, "the OPA server does not take the policy, status " +
                                               std::to_string(answer->status) + ": " +
                                               answer->body.substr(0, kQuotedBytesMax));
  }

  Task<Result<std::optional<std::string>>> ask_once(std::string input) {
    FetchRequest post;
    post.method = "POST";
    post.url = decision_url_;
    post.headers.add("Content-Type", "application/json");
    post.body = "{\"input\":" + input + "}";
    post.timeout = kDecisionTimeout;
    OUT_CO_TRY(const auto answer, co_await fetch_with(&client_, endpoint_, std::move(post)));
    if (answer.status != 200) {
      co_return fail(Code::unavailable, "the OPA server answers with status " +
                                            std::to_string(answer.status) + ": " +
                                            answer.body.substr(0, kQuotedBytesMax));
    }
    if (!json::is_valid(answer.body)) {
      co_return fail(Code::unavailable, "the OPA server's answer is not JSON");
    }
    const auto result = json::member(answer.body, "result");
    if (!result) co_return std::optional<std::string>();
    co_return std::optional<std::string>(std::string(*result));
  }

  const std::string rego_;
  const net::Endpoint endpoint_;
  const std::string policy_url_, decision_url_;
  const bool installs_;
  TimePoint installed_ = std::chrono::steady_clock::now();
  net::Client client_;
};

/// A policy that OPA has compiled to WebAssembly, in this process.
class Compiled final : public Evaluator {
 public:
  Compiled(const Options& options, std::shared_ptr<GuestCode> code)
      : url_(options.policy_url), decision_(options.decision), code_(std::move(code)) {}

  Task<Result<>> init() override {
    OUT_CO_TRY(module_, co_await GuestCode::load(code_, url_));
    OUT_CO_TRY(auto policy, co_await make());
    idle_.push_back(std::move(policy));
    co_return Result<>();
  }

  Task<Result<std::optional<std::string>>> ask(std::string input) override {
    OUT_CO_CHECK(co_await places_.acquire());
    auto result = co_await evaluate(std::move(input));
    places_.release();
    co_return result;
  }

 private:
  /// What one evaluation works with; it may outlive whoever waits for it.
  struct Job {
    std::unique_ptr<OpaPolicy> policy;
    std::string input;
  };

  Task<Result<std::unique_ptr<OpaPolicy>>> make() {
    std::move_only_function<Result<std::unique_ptr<OpaPolicy>>()> work = [module = module_,
                                                                          decision = decision_] {
      return OpaPolicy::make(module, decision, {.time_max = kEvaluationTimeout});
    };
    auto made = co_await guest_threads().run(std::move(work));
    co_return made;
  }
  Task<Result<std::optional<std::string>>> evaluate(std::string input) {
    if (idle_.empty()) {
      OUT_CO_TRY(auto policy, co_await make());
      idle_.push_back(std::move(policy));
    }
    auto job = std::make_shared<Job>();
    job->policy = std::move(idle_.back());
    idle_.pop_back();
    job->input = std::move(input);
    std::move_only_function<Result<std::optional<std::string>>()> work = [job] {
      return job->policy->evaluate(job->input);
    };
    auto result = co_await guest_threads().run(std::move(work));
    // After an error it is used no more.
    if (result) idle_.push_back(std::move(job->policy));
    co_return result;
  }

  const std::string url_, decision_;
  const std::shared_ptr<GuestCode> code_;
  ModulePtr module_;
  std::vector<std::unique_ptr<OpaPolicy>> idle_;
  Semaphore places_{kPoliciesMax};
};

/// Asks a policy about each request.
class Opa final : public Middleware {
 public:
  Opa(Options options, std::unique_ptr<Evaluator> evaluator)
      : options_(std::move(options)), evaluator_(std::move(evaluator)) {
    for (const std::string_view name : split(options_.included_headers, ',')) {
      std::string one = canonical(replace_all(name, " ", ""));
      if (!one.empty()) included_.push_back(std::move(one));
    }
  }

  Task<Result<>> init() override { return evaluator_->init(); }
  Task<void> close() override { return evaluator_->close(); }

  Task<net::Response> handle(net::Request request, Next next) override {
    std::string body;
    if (options_.read_body) {
      auto whole = co_await request.body.read_all(kBodyBytesMax);
      if (!whole) co_return refusal(whole.error());
      body = *std::move(whole);
    }
    std::string input = describe(request, body);
    if (options_.read_body) request.body = std::move(body);
    auto decision = co_await decide(std::move(input));
    if (!decision) {
      log.warn("Error procesing rego policy: ", decision.error());
      auto response = refusal(options_.default_status);
      response.headers.set(kErrorHeader, "true");
      co_return response;
    }
    if (!decision->allow) {
      auto response = refusal(decision->status);
      for (const auto field : decision->headers) response.headers.set(field.name, field.value);
      co_return response;
    }
    for (const auto field : decision->headers) request.headers.set(field.name, field.value);
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
  static net::Response refusal(const Error& error) {
    const bool long_body = error.code() == Code::resource_exhausted;
    return middleware::refusal(long_body ? 413 : 400);
  }
  static net::Response refusal(int status) { return middleware::refusal(status); }

  [[nodiscard]] std::string describe(const net::Request& request, std::string_view body) const {
    const auto target = net::split_target(request.target);
    // As it came where it cannot be decoded: no route will find it either.
    const std::string path = net::path_unescape(target.path).value_or(std::string(target.path));
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("request").begin_object();
    writer.member("method", request.method).member("path", path);
    writer.key("path_parts").begin_array();
    std::string_view trimmed = path;
    while (trimmed.starts_with('/')) trimmed.remove_prefix(1);
    while (trimmed.ends_with('/')) trimmed.remove_suffix(1);
    for (const std::string_view part : split(trimmed, '/')) writer.value(part);
    writer.end_array().member("raw_query", target.query);
    add_query(writer, target.query);
    add_headers(writer, request.headers);
    // A server's requests have no scheme of their own for upstream's policies.
    writer.member("scheme", "").member("body", body);
    writer.end_object().end_object();
    return out;
  }
  static void add_query(json::Writer& writer, std::string_view query) {
    std::map<std::string, std::vector<std::string>> values;
    while (auto parameter = net::next_query_param(query)) {
      values[std::move(parameter->key)].push_back(std::move(parameter->value));
    }
    writer.key("query").begin_object();
    for (const auto& [name, all] : values) {
      writer.key(name).begin_array();
      for (const std::string& one : all) writer.value(one);
      writer.end_array();
    }
    writer.end_object();
  }
  void add_headers(json::Writer& writer, const net::Headers& headers) const {
    writer.key("headers").begin_object();
    for (const std::string& name : included_) {
      if (headers.contains(name)) writer.member(name, headers.joined(name));
    }
    writer.end_object();
  }

  Task<Result<Decision>> decide(std::string input) {
    OUT_CO_TRY(const auto result, co_await evaluator_->ask(std::move(input)));
    if (!result) {
      co_return fail(Code::not_found,
                     "received no results back from rego policy. Are you setting data.http.allow?");
    }
    co_return read_decision(*result, options_.default_status);
  }

  const Options options_;
  const std::unique_ptr<Evaluator> evaluator_;
  std::vector<std::string> included_;
};

Result<> check(const Options& options) {
  if (options.server_url.empty() == options.policy_url.empty()) {
    return fail(
        Code::invalid_argument,
        "policies are evaluated by a server of Open Policy Agent, or as it has compiled "
        "them: set the metadata field 'opaURL' to its address, such as "
        "http://localhost:8181 (opa run --server --v0-compatible), and the policy in 'rego' "
        "is given to that server; or 'policyURL' to a policy.wasm (opa build -t wasm -e "
        "http/allow --v0-compatible)");
  }
  if (options.default_status < 100 || options.default_status > 599) {
    return fail(Code::invalid_argument, "invalid status value " +
                                            std::to_string(options.default_status) +
                                            " expected in range [100-599]");
  }
  if (options.decision.empty() || !is_value(options.decision)) {
    return fail(Code::invalid_argument, "metadata field opaDecision is not the path of a rule");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Middleware>> make_opa(const Metadata& metadata, ComponentContext& context) {
  OUT_TRY(auto options, parse_fields(metadata, kFields));
  OUT_CHECK(check(options));
  std::unique_ptr<Evaluator> evaluator;
  if (!options.policy_url.empty()) {
    OUT_CHECK(GuestCode::check_url(options.policy_url));
    std::move_only_function<Result<std::shared_ptr<GuestCode>>()> make = [] {
      return std::make_shared<GuestCode>();
    };
    OUT_TRY(auto code, context.shared<GuestCode>(std::move(make)));
    evaluator = std::make_unique<Compiled>(options, std::move(code));
  } else {
    while (options.server_url.ends_with('/')) options.server_url.pop_back();
    OUT_TRY(auto endpoint, fetch_endpoint(options.server_url));
    std::string id = "dapr/" + net::path_escape(context.app_namespace) + "/" +
                     net::path_escape(context.app_id) + "/" + net::path_escape(metadata.name);
    evaluator = std::make_unique<Server>(options, std::move(endpoint), std::move(id),
                                         context.loop.index() == 0);
  }
  return std::make_unique<Opa>(std::move(options), std::move(evaluator));
}
std::vector<FieldInfo> opa_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
