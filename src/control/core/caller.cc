#include "control/core/caller.h"

namespace outrigger::control {

Result<std::optional<security::spiffe::AppIdentity>> identity_of(const net::Peer* peer) {
  if (peer == nullptr || !peer->tls) return std::nullopt;
  const auto id = security::spiffe::Id::parse(peer->identity);
  if (!id) return fail(Code::unauthenticated, id.error().message());
  auto app = security::spiffe::app_identity(*id);
  if (!app) return fail(Code::unauthenticated, app.error().message());
  return *std::move(app);
}

}  // namespace outrigger::control
