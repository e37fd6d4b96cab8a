#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "security/x509/certificate.h"

/// SPIFFE identities, with the rules and the words of the library that upstream uses.
namespace outrigger::security::spiffe {

/// Whether the text is the name of a trust domain: lower-case letters, digits, dots, dashes and
/// underscores. Code::invalid_argument says why not.
Result<> check_trust_domain(std::string_view name);
/// The trust domain of a name or of a whole id.
Result<std::string> trust_domain_of(std::string_view name_or_id);

/// spiffe://<trust domain><path>. Always well-formed.
class Id {
 public:
  static Result<Id> parse(std::string_view text);
  /// Dapr's form: spiffe://<trust domain>/ns/<namespace>/<app id>.
  static Result<Id> of_app(std::string_view trust_domain, std::string_view app_namespace,
                           std::string_view app_id);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] std::string_view trust_domain() const noexcept;
  /// "" or "/a/b".
  [[nodiscard]] std::string_view path() const noexcept;
  [[nodiscard]] bool operator==(const Id&) const = default;

 private:
  Id(std::string text, std::size_t domain_end) : text_(std::move(text)), domain_end_(domain_end) {}
  std::string text_;
  std::size_t domain_end_;
};

/// An id in Dapr's form. Path segments after the app id are allowed, and mean nothing yet.
struct AppIdentity {
  std::string trust_domain, app_namespace, app_id;
  bool operator==(const AppIdentity&) const = default;
};
Result<AppIdentity> app_identity(const Id& id);

/// Whose certificate it is: exactly one URI among its names, which is a SPIFFE id.
Result<Id> id_of(const x509::Certificate& certificate);
/// The same of a certificate that somebody shows as its own: neither a CA nor allowed to sign
/// certificates or lists.
Result<Id> id_of_leaf(const x509::Certificate& certificate);

}  // namespace outrigger::security::spiffe
