#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger {

/// The gRPC status codes (numbers of the gRPC specification); every Error carries one.
enum class Code : std::uint8_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

/// The name in upstream's spelling: "InvalidArgument".
std::string_view to_string(Code code) noexcept;

/// What a rich API error says beyond its message; rendered as google.rpc details in a gRPC status
/// and as `details` in HTTP JSON (facts/errors.tsv).
struct ErrorDetails {
  struct Resource {
    std::string type, name, owner, description;
  };
  struct FieldViolation {
    std::string field, description;
  };
  struct HelpLink {
    std::string description, url;
  };
  /// google.rpc.ErrorInfo is rendered when `reason` is not empty.
  std::string reason;
  std::map<std::string, std::string> metadata;
  std::vector<Resource> resources;
  std::vector<FieldViolation> field_violations;
  std::vector<HelpLink> help_links;
  /// Of the ErrorInfo; another one only in errors that a component behind a socket gave.
  std::string domain = "dapr.io";
};

/// What went wrong: a code, the API's error-code string (may be empty), a message that says what
/// failed, on what and what to do, and optionally an HTTP status of its own and details.
/// One pointer wide; moved, rarely copied. Never holds Code::ok.
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message);
  Error(Code code, std::string_view tag, std::string message);
  Error(const Error& other);
  Error& operator=(const Error& other);
  Error(Error&&) noexcept;
  Error& operator=(Error&&) noexcept;
  ~Error();

  [[nodiscard]] Code code() const noexcept;
  /// "ERR_STATE_GET" and the like; empty if the error has no API error code.
  [[nodiscard]] const std::string& tag() const noexcept;
  [[nodiscard]] const std::string& message() const noexcept;
  /// The HTTP status to answer with, or 0: then it follows from the code.
  [[nodiscard]] int http_status() const noexcept;
  /// nullptr if the error has none.
  [[nodiscard]] const ErrorDetails* details() const noexcept;

  /// "prefix: message". Called once, where the context is known.
  Error context(std::string_view prefix) &&;
  Error with_http_status(int status) &&;
  Error with_tag(std::string_view tag) &&;
  Error with_code(Code code) &&;
  Error with_details(ErrorDetails details) &&;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace outrigger
