#include "security/identity/contexts.h"

#include "security/spiffe/id.h"

namespace outrigger::security::identity {
namespace {

Result<spiffe::Id> identity_in(std::string_view der) {
  OUT_TRY(const auto leaf, x509::Certificate::parse_der(der));
  auto id = spiffe::id_of_leaf(leaf);
  return id;
}

Result<std::string> any_identity(std::string_view der) {
  OUT_TRY(const auto id, identity_in(der));
  return id.text();
}

/// Accepts one id, or all that have a path.
auto only(std::string name, bool whole) {
  return [name = std::move(name), whole](std::string_view der) -> Result<std::string> {
    OUT_TRY(const auto id, identity_in(der));
    if ((whole ? std::string_view(id.text()) : id.path()) == name) return id.text();
    return fail(Code::permission_denied, "unexpected SPIFFE ID: \"" + id.text() + "\"");
  };
}

net::TlsOptions base_options(const Credentials& credentials) {
  net::TlsOptions options;
  options.certificate_chain_pem = credentials.chain_pem;
  options.private_key_pem = credentials.key_pem;
  options.ca_pem = credentials.anchors_pem;
  options.alpn = {"h2"};
  return options;
}

net::TlsOptions server_options(const Credentials& credentials) {
  net::TlsOptions options = base_options(credentials);
  options.require_client_certificate = true;
  options.identify = any_identity;
  return options;
}

net::TlsOptions client_options(const Credentials& credentials, std::string name, bool whole) {
  net::TlsOptions options = base_options(credentials);
  options.identify = only(std::move(name), whole);
  return options;
}

}  // namespace

Result<std::unique_ptr<Contexts>> Contexts::make(Credentials credentials) {
  if (credentials.anchors_pem.empty()) {
    return fail(Code::invalid_argument, "credentials without trust anchors");
  }
  std::unique_ptr<Contexts> made(new Contexts());
  OUT_TRY(made->server_, net::TlsContext::server(server_options(credentials)));
  made->credentials_ = std::move(credentials);
  return made;
}

Result<> Contexts::renew(Credentials credentials) {
  const std::lock_guard lock(mutex_);
  // What is good for one is good for all: only the first can fail.
  OUT_CHECK(server_->replace(server_options(credentials)));
  for (const auto& [id, context] : by_id_) {
    OUT_CHECK(context->replace(client_options(credentials, id, true)));
  }
  for (const auto& [path, context] : by_path_) {
    OUT_CHECK(context->replace(client_options(credentials, path, false)));
  }
  credentials_ = std::move(credentials);
  return {};
}

std::shared_ptr<net::TlsContext> Contexts::server() {
  const std::lock_guard lock(mutex_);
  return server_;
}

std::shared_ptr<net::TlsContext> Contexts::client(
    std::map<std::string, std::shared_ptr<net::TlsContext>>& known, const std::string& name,
    bool whole) {
  const std::lock_guard lock(mutex_);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  auto made = net::TlsContext::client(client_options(credentials_, name, whole));
  OUT_ASSERT(made.has_value());  // A server was made of the same credentials.
  if (known.size() < kKeptMax) known.emplace(name, *made);
  return *std::move(made);
}

std::shared_ptr<net::TlsContext> Contexts::client_of(const std::string& id) {
  return client(by_id_, id, true);
}

std::shared_ptr<net::TlsContext> Contexts::client_of_path(const std::string& path) {
  return client(by_path_, path, false);
}

Credentials Contexts::credentials() const {
  const std::lock_guard lock(mutex_);
  return credentials_;
}

Result<std::shared_ptr<net::TlsContext>> trusting_client(const std::string& anchors_pem,
                                                         std::string id) {
  net::TlsOptions options;
  options.ca_pem = anchors_pem;
  options.alpn = {"h2"};
  options.identify = only(std::move(id), true);
  return net::TlsContext::client(std::move(options));
}

}  // namespace outrigger::security::identity
