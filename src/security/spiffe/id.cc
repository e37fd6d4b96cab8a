#include "security/spiffe/id.h"

#include <algorithm>

#include "base/strings.h"

namespace outrigger::security::spiffe {
namespace {

constexpr std::string_view kScheme = "spiffe://";

std::unexpected<Error> refuse(std::string_view why) {
  return outrigger::fail(Code::invalid_argument, std::string(why));
}

constexpr bool is_domain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}
constexpr bool is_path_character(char c) {
  return is_domain_character(c) || (c >= 'A' && c <= 'Z');
}

Result<> check_segment(std::string_view segment) {
  if (segment.empty()) return refuse("path cannot contain empty segments");
  if (segment == "." || segment == "..") return refuse("path cannot contain dot segments");
  if (std::ranges::all_of(segment, is_path_character)) return {};
  return refuse(
      "path segment characters are limited to letters, numbers, dots, dashes, and "
      "underscores");
}

Result<> check_path(std::string_view path) {
  if (path.empty()) return {};
  if (path.ends_with('/')) return refuse("path cannot have a trailing slash");
  for (const std::string_view segment : split(path.substr(1), '/')) {
    OUT_CHECK(check_segment(segment));
  }
  return {};
}

}  // namespace

Result<> check_trust_domain(std::string_view name) {
  if (name.empty()) return refuse("trust domain is missing");
  if (std::ranges::all_of(name, is_domain_character)) return {};
  return refuse(
      "trust domain characters are limited to lowercase letters, numbers, dots, dashes, "
      "and underscores");
}

Result<std::string> trust_domain_of(std::string_view name_or_id) {
  // What looks like a URI at all is held to be one, so that its error tells.
  if (name_or_id.find(":/") != std::string_view::npos) {
    OUT_TRY(const auto id, Id::parse(name_or_id));
    return std::string(id.trust_domain());
  }
  OUT_CHECK(check_trust_domain(name_or_id));
  return std::string(name_or_id);
}

Result<Id> Id::parse(std::string_view text) {
  if (text.empty()) return refuse("cannot be empty");
  if (!text.starts_with(kScheme)) return refuse("scheme is missing or invalid");
  const std::size_t slash = text.find('/', kScheme.size());
  const std::size_t end = slash == std::string_view::npos ? text.size() : slash;
  OUT_CHECK(check_trust_domain(text.substr(kScheme.size(), end - kScheme.size())));
  OUT_CHECK(check_path(text.substr(end)));
  return Id(std::string(text), end);
}

Result<Id> Id::of_app(std::string_view trust_domain, std::string_view app_namespace,
                      std::string_view app_id) {
  OUT_CHECK(check_trust_domain(trust_domain));
  // One by one: a slash inside one of them would make two of it.
  OUT_CHECK(check_segment(app_namespace));
  OUT_CHECK(check_segment(app_id));
  std::string text(kScheme);
  text.append(trust_domain).append("/ns/").append(app_namespace).append("/").append(app_id);
  return Id(std::move(text), kScheme.size() + trust_domain.size());
}

std::string_view Id::trust_domain() const noexcept {
  return std::string_view(text_).substr(kScheme.size(), domain_end_ - kScheme.size());
}
std::string_view Id::path() const noexcept { return std::string_view(text_).substr(domain_end_); }

Result<AppIdentity> app_identity(const Id& id) {
  const auto parts = split(id.path(), '/');
  if (parts.size() < 4 || parts[1] != "ns") return refuse("malformed SPIFFE ID: " + id.text());
  return AppIdentity{.trust_domain = std::string(id.trust_domain()),
                     .app_namespace = std::string(parts[2]),
                     .app_id = std::string(parts[3])};
}

Result<Id> id_of(const x509::Certificate& certificate) {
  const auto uris = certificate.uris();
  if (uris.empty()) return refuse("certificate contains no URI SAN");
  if (uris.size() > 1) return refuse("certificate contains more than one URI SAN");
  return Id::parse(uris.front());
}

Result<Id> id_of_leaf(const x509::Certificate& certificate) {
  OUT_TRY(auto id, id_of(certificate));
  if (certificate.is_ca()) return refuse("leaf certificate with CA flag set to true");
  // Without key usage there is nothing that says so: go-spiffe looks at the flags alone.
  if (certificate.has_key_usage() && certificate.allows_certificate_signing()) {
    return refuse("leaf certificate with KeyCertSign key usage");
  }
  if (certificate.has_key_usage() && certificate.allows_list_signing()) {
    return refuse("leaf certificate with KeyCrlSign key usage");
  }
  return id;
}

}  // namespace outrigger::security::spiffe
