#include "runtime/security/access_list.h"

#include <clocale>
#include <cwctype>

#include <locale.h>

#include "base/log.h"
#include "base/strings.h"
#include "net/uri.h"
#include "runtime/security/operation_tree.h"
#include "security/spiffe/id.h"

namespace outrigger::runtime::access_control {
namespace {

using resources::AccessControl;
using telemetry::ServiceMetrics;
namespace spiffe = outrigger::security::spiffe;

const Logger log("dapr.acl");

constexpr std::string_view kAnyVerb = "*";
constexpr std::string_view kNoVerb = "NONE";
constexpr std::string_view kProxiedVerb = "POST";

bool is_allow(std::string_view action) noexcept { return equals_fold(action, "allow"); }

// App ids and namespaces of a SPIFFE id have no slash.
std::string key_of(std::string_view app_id, std::string_view app_namespace) {
  return std::string(app_id).append("/").append(app_namespace);
}

std::string with_slash(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

void warn_of_verbs(const std::string& app_id, const AccessControl::Operation& rule) {
  for (const std::string& verb : rule.http_verbs) {
    if (verb == to_upper(verb)) continue;
    log.warn("Access control policy for ", app_id, ", operation ", rule.name, ": the verb ", verb,
             " matches nothing, for verbs are in capitals");
  }
}

std::shared_ptr<const Operation> operation_of(const AccessControl::Operation& rule) {
  Operation operation;
  operation.allowed = is_allow(rule.action);
  for (const std::string& verb : rule.http_verbs) {
    operation.verbs.push_back({verb, operation.allowed});
  }
  return std::make_shared<const Operation>(std::move(operation));
}

std::optional<bool> allowed_of_verb(const Operation& operation, std::string_view verb) {
  for (const auto& known : operation.verbs) {
    if (known.name == verb) return known.allowed;
  }
  for (const auto& known : operation.verbs) {
    if (known.name == kAnyVerb) return known.allowed;
  }
  return std::nullopt;
}

}  // namespace

struct AccessList::Caller {
  bool known = false;
  std::string text;
  spiffe::AppIdentity identity;
};

struct AccessList::Policy {
  std::string trust_domain;
  bool has_default = false;
  bool default_allowed = false;
  /// As they are written, and as an application reads them.
  OperationTree operations, operations_read;
};

AccessList::AccessList(const AccessControl& rules, AppProtocol protocol) : protocol_(protocol) {
  default_allowed_ = is_allow(rules.default_action);
  if (rules.default_action.empty() && !rules.policies.empty()) {
    log.warn("No global default action has been specified. Setting default global action as Deny");
  }
  // A trust domain alone restricts nobody.
  if (rules.default_action.empty() && rules.policies.empty()) default_allowed_ = true;
  for (const AccessControl::Policy& policy : rules.policies) add(policy);
}

AccessList::~AccessList() = default;
AccessList::AccessList(AccessList&&) noexcept = default;
AccessList& AccessList::operator=(AccessList&&) noexcept = default;

void AccessList::add(const AccessControl::Policy& rules) {
  if (rules.app_id.empty() || rules.trust_domain.empty() || rules.namespace_name.empty()) return;
  auto policy = std::make_unique<Policy>();
  policy->trust_domain = rules.trust_domain;
  policy->has_default = !rules.default_action.empty();
  policy->default_allowed = is_allow(rules.default_action);
  for (const AccessControl::Operation& rule : rules.operations) {
    std::string name = with_slash(rule.name);
    auto operation = operation_of(rule);
    if (protocol_ == AppProtocol::http) {
      name = fold_case(name);
      warn_of_verbs(rules.app_id, rule);
      policy->operations_read.add(name, operation);
      policy->operations_read.add(fold_case(as_read_by_app(name)), operation);
    }
    policy->operations.add(name, std::move(operation));
  }
  policies_.insert_or_assign(key_of(rules.app_id, rules.namespace_name), std::move(policy));
}

Result<AccessList::Caller> AccessList::caller_of(std::string_view identity) const {
  Caller caller;
  if (identity.empty()) return caller;
  OUT_TRY(const auto id, spiffe::Id::parse(identity));
  OUT_TRY(caller.identity, spiffe::app_identity(id));
  caller.text = id.text();
  caller.known = true;
  return caller;
}

Result<Decision> AccessList::decide(const Call& call) const {
  OUT_TRY(const Caller caller, caller_of(call.identity));
  return decide(caller, call);
}

Decision AccessList::decide(const Caller& caller, const Call& call) const {
  Decision decision{.allowed = default_allowed_, .by = ServiceMetrics::Policy::global};
  if (!caller.known || policies_.empty()) return decision;
  const auto found = policies_.find(key_of(caller.identity.app_id, caller.identity.app_namespace));
  if (found == policies_.end()) return decision;
  const Policy& policy = *found->second;
  if (policy.trust_domain != caller.identity.trust_domain) return decision;
  if (policy.has_default) decision.by = ServiceMetrics::Policy::app;
  decision.allowed = allows(policy, call);
  return decision;
}

bool AccessList::allows(const Policy& policy, const Call& call) const {
  const bool by_default = policy.has_default ? policy.default_allowed : default_allowed_;
  const auto judge = [&](const OperationTree& operations, std::string_view path) {
    const Operation* const operation = operations.find(path);
    if (operation == nullptr) return by_default;
    if (protocol_ == AppProtocol::grpc) return operation->allowed;
    if (call.proxied && operation->verbs.empty()) return operation->allowed;
    const std::string_view verb = call.proxied ? kProxiedVerb : call.verb;
    if (verb == kNoVerb) return policy.has_default && policy.default_allowed;
    return allowed_of_verb(*operation, verb).value_or(by_default);
  };
  std::string path = with_slash(call.operation);
  if (protocol_ == AppProtocol::grpc) return judge(policy.operations, path);
  const bool escaped = path.find('%') != std::string::npos;
  if (escaped) {
    const std::string read = fold_case(as_read_by_app(path));
    if (!judge(policy.operations_read, read)) return false;
  }
  return judge(policy.operations, fold_case(path));
}

Result<> AccessList::check(const Call& call, const ServiceMetrics& metrics) const {
  auto caller = caller_of(call.identity);
  if (!caller) {
    return fail(Code::permission_denied, "malformed SPIFFE ID: " + std::string(call.identity));
  }
  const spiffe::AppIdentity& identity = caller->identity;
  const ServiceMetrics::Caller counted{identity.app_id, identity.trust_domain,
                                       identity.app_namespace};
  const Decision decision = decide(*caller, call);
  if (decision.allowed) {
    metrics.request_allowed(decision.by, counted);
    return {};
  }
  metrics.request_blocked(decision.by, counted);
  std::string message = "access control policy has denied access to id: " + caller->text +
                        " operation: " + std::string(call.operation) +
                        " verb: " + std::string(call.verb);
  log.debug(message);
  return fail(Code::permission_denied, std::move(message));
}

std::string fold_case(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      folded += to_lower(text[i++]);
      continue;
    }
    // Without that locale letters beyond ASCII count as they are.
    static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    const Rune rune = decode_rune(text.substr(i));
    if (unicode == nullptr || !rune.valid()) {
      folded += text.substr(i, rune.bytes);
    } else {
      append_rune(folded, static_cast<char32_t>(
                              ::towlower_l(static_cast<std::wint_t>(rune.value), unicode)));
    }
    i += rune.bytes;
  }
  return folded;
}

std::string as_read_by_app(std::string_view method) {
  const std::string path = with_slash(method);
  const auto decoded = net::path_unescape(path);
  return decoded ? net::clean_path(*decoded) : path;
}

}  // namespace outrigger::runtime::access_control
