#pragma once

#include <memory>
#include <string>

#include "base/result.h"

// The names that OpenSSL's own headers give these types; owners elsewhere are pointers to them.
struct evp_pkey_st;
struct x509_st;
struct X509_req_st;

namespace outrigger::security::x509 {

/// Frees what a C library made, with the function that the library has for it.
template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

/// Code::invalid_argument with `what` and the reason that OpenSSL gives, whose queue of errors is
/// empty then. Without a reason: `what` alone.
[[nodiscard]] std::unexpected<Error> library_failure(std::string what);
/// At its end OpenSSL forgets what it keeps for this thread. For work on a pool's thread, which
/// lives when the process ends, and the library before it.
class LibraryVisit {
 public:
  LibraryVisit() = default;
  LibraryVisit(const LibraryVisit&) = delete;
  LibraryVisit& operator=(const LibraryVisit&) = delete;
  ~LibraryVisit();
};
/// Forgets the errors of calls that were allowed to fail.
void forget_library_errors() noexcept;

}  // namespace outrigger::security::x509
