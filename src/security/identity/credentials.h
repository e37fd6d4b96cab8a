#pragma once

#include <map>
#include <string>

#include "base/time_format.h"

namespace outrigger::security::identity {

/// What proves who this program is, and whom it trusts.
struct Credentials {
  /// The SPIFFE id of the certificate.
  std::string id;
  /// PEM: the leaf and its issuers, its key, and the roots that others are judged by.
  std::string chain_pem, key_pem, anchors_pem;
  WallTime not_after;
  /// JSON web tokens of the same identity, where the authority issues them; by audience, and one
  /// for all audiences.
  std::string jwt;
  std::map<std::string, std::string> jwt_by_audience;
};

}  // namespace outrigger::security::identity
