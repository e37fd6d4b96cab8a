#include "security/x509/library.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace outrigger::security::x509 {

std::unexpected<Error> library_failure(std::string what) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code)) {
    what += ": ";
    what += reason;
  }
  return fail(Code::invalid_argument, std::move(what));
}

LibraryVisit::~LibraryVisit() { OPENSSL_thread_stop(); }

void forget_library_errors() noexcept { ERR_clear_error(); }

}  // namespace outrigger::security::x509
