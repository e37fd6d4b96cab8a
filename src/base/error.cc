#include "base/error.h"

#include <cstdio>
#include <cstdlib>

#include "base/result.h"

namespace outrigger {

struct Error::Body {
  Code code = Code::unknown;
  int http_status = 0;
  std::string tag;
  std::string message;
  std::unique_ptr<ErrorDetails> details;
};

std::string_view to_string(Code code) noexcept {
  switch (code) {
    case Code::ok: return "OK";
    case Code::cancelled: return "Canceled";
    case Code::unknown: return "Unknown";
    case Code::invalid_argument: return "InvalidArgument";
    case Code::deadline_exceeded: return "DeadlineExceeded";
    case Code::not_found: return "NotFound";
    case Code::already_exists: return "AlreadyExists";
    case Code::permission_denied: return "PermissionDenied";
    case Code::resource_exhausted: return "ResourceExhausted";
    case Code::failed_precondition: return "FailedPrecondition";
    case Code::aborted: return "Aborted";
    case Code::out_of_range: return "OutOfRange";
    case Code::unimplemented: return "Unimplemented";
    case Code::internal: return "Internal";
    case Code::unavailable: return "Unavailable";
    case Code::data_loss: return "DataLoss";
    case Code::unauthenticated: return "Unauthenticated";
  }
  return "Unknown";
}

Error::Error(Code code, std::string message) : Error(code, {}, std::move(message)) {}

Error::Error(Code code, std::string_view tag, std::string message)
    : body_(std::make_unique<Body>()) {
  OUT_ASSERT(code != Code::ok);
  body_->code = code;
  body_->tag = tag;
  body_->message = std::move(message);
}

Error::Error(const Error& other) : body_(std::make_unique<Body>()) {
  body_->code = other.body_->code;
  body_->http_status = other.body_->http_status;
  body_->tag = other.body_->tag;
  body_->message = other.body_->message;
  if (other.body_->details) body_->details = std::make_unique<ErrorDetails>(*other.body_->details);
}

Error& Error::operator=(const Error& other) {
  if (this != &other) *this = Error(other);
  return *this;
}

Error::Error(Error&&) noexcept = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

Code Error::code() const noexcept { return body_->code; }
const std::string& Error::tag() const noexcept { return body_->tag; }
const std::string& Error::message() const noexcept { return body_->message; }
int Error::http_status() const noexcept { return body_->http_status; }
const ErrorDetails* Error::details() const noexcept { return body_->details.get(); }

Error Error::context(std::string_view prefix) && {
  body_->message.insert(0, ": ").insert(0, prefix);
  return std::move(*this);
}

Error Error::with_http_status(int status) && {
  body_->http_status = status;
  return std::move(*this);
}

Error Error::with_tag(std::string_view tag) && {
  body_->tag = tag;
  return std::move(*this);
}

Error Error::with_code(Code code) && {
  OUT_ASSERT(code != Code::ok);
  body_->code = code;
  return std::move(*this);
}

Error Error::with_details(ErrorDetails details) && {
  body_->details = std::make_unique<ErrorDetails>(std::move(details));
  return std::move(*this);
}

void assertion_failed(const char* expression, std::source_location where) {
  std::fprintf(stderr, "outrigger: internal error: %s does not hold in %s (%s:%u)\n", expression,
               where.function_name(), where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace outrigger
