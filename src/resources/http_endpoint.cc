#include "resources/http_endpoint.h"

namespace outrigger::resources {
namespace {

void read_document(const Field& field, std::optional<TlsDocument>& out) {
  if (!field.is_map()) return;
  TlsDocument& document = out.emplace();
  std::string value;
  if (field["value"].read_any(value)) document.value = std::move(value);
  document.secret_key_ref = read_secret_key_ref(field["secretKeyRef"]);
}

void read_renegotiation(const Field& field, ClientTls::Renegotiation& out) {
  using Renegotiation = ClientTls::Renegotiation;
  std::string text;
  field.read(text);
  if (text.empty() || text == "Never") {
    out = Renegotiation::never;
  } else if (text == "OnceAsClient") {
    out = Renegotiation::once_as_client;
  } else if (text == "FreelyAsClient") {
    out = Renegotiation::freely_as_client;
  } else {
    field.problem("expected Never, OnceAsClient or FreelyAsClient, found \"" + text + "\"");
  }
}

}  // namespace

std::string HttpEndpoint::log_name() const { return name + " (" + base_url + ")"; }

Result<HttpEndpoint> parse_http_endpoint(const yaml::Node& document, Report& report) {
  const Field root(document, report);
  Header header = read_header(root);
  HttpEndpoint endpoint;
  endpoint.origin = {.file = report.file(), .line = document.line};
  endpoint.name = std::move(header.name);
  endpoint.namespace_name = std::move(header.namespace_name);
  root["scopes"].read(endpoint.scopes);
  if (const Field auth = root["auth"]; auth.is_map()) {
    auth["secretStore"].read(endpoint.secret_store);
  }
  if (const Field spec = root["spec"]; spec.is_map()) {
    spec["baseUrl"].read(endpoint.base_url);
    read_name_values(spec["headers"], endpoint.headers);
    if (const Field tls = spec["clientTLS"]; tls.is_map()) {
      ClientTls& client_tls = endpoint.client_tls.emplace();
      read_document(tls["rootCA"], client_tls.root_ca);
      read_document(tls["certificate"], client_tls.certificate);
      read_document(tls["privateKey"], client_tls.private_key);
      read_renegotiation(tls["renegotiation"], client_tls.renegotiation);
    }
  }
  if (endpoint.base_url.empty()) root["spec"]["baseUrl"].warning("no base URL is given");
  OUT_CHECK(report.result());
  return endpoint;
}

}  // namespace outrigger::resources
