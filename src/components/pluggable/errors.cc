#include "components/pluggable/errors.h"

#include "base/strings.h"
#include "components/state/store.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace outrigger::components::pluggable {
namespace {

using net::grpc::Status;

// The marks of errors made by upstream's kit, in the metadata of their ErrorInfo.
constexpr const char* kKitError = "kit_error";
constexpr const char* kHttpCode = "http_code";
constexpr const char* kTag = "tag";

std::string text_of(const Status& status) {
  return "rpc error: code = " + std::string(to_string(status.code)) + " desc = " + status.message;
}

// The only detail of the status, if it is of this type: more than one have no meaning to upstream.
template <class Detail>
std::optional<Detail> only_detail(const Status& status) {
  google::rpc::Status whole;
  if (!whole.ParseFromString(status.details_bin) || whole.details_size() != 1) return std::nullopt;
  Detail detail;
  if (!whole.details(0).UnpackTo(&detail)) return std::nullopt;
  return detail;
}

std::string entry_of(const google::rpc::ErrorInfo& info, const char* key) {
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? std::string() : found->second;
}

std::optional<Error> kit_error(const Status& status) {
  const auto info = only_detail<google::rpc::ErrorInfo>(status);
  if (!info || entry_of(*info, kKitError) != "true") return std::nullopt;
  const auto http_status = parse_int<int>(entry_of(*info, kHttpCode));
  if (!http_status) return std::nullopt;
  ErrorDetails details;
  details.reason = info->reason();
  details.domain = info->domain();
  // Others than these cannot be sent: the status then follows from the code.
  const bool sendable = *http_status >= 200 && *http_status <= 999;
  return Error(status.code, entry_of(*info, kTag), status.message)
      .with_http_status(sendable ? *http_status : 0)
      .with_details(std::move(details));
}

std::optional<Error> etag_error(const Status& status) {
  const bool mismatch = status.code == Code::failed_precondition;
  if (!mismatch && status.code != Code::invalid_argument) return std::nullopt;
  const auto request = only_detail<google::rpc::BadRequest>(status);
  if (!request || request->field_violations_size() != 1) return std::nullopt;
  const auto& violation = request->field_violations(0);
  if (violation.field() != "etag") return std::nullopt;
  return mismatch ? state::etag_mismatch(violation.description())
                  : state::etag_invalid(violation.description());
}

// An error as upstream makes it of a text that is no number.
Error bad_number(const Status& status, std::string_view what, std::string_view text) {
  return Error(Code::internal, text_of(status) + "; cannot convert '" + std::string(what) +
                                   "' rows to integer: " + state::go_number_error("Atoi", text));
}

std::optional<Error> row_mismatch(const Status& status) {
  if (status.code != Code::internal) return std::nullopt;
  const auto info = only_detail<google::rpc::ErrorInfo>(status);
  if (!info || !info->metadata().contains("expected")) return std::nullopt;
  const std::string expected = entry_of(*info, "expected");
  if (!parse_int<std::int64_t>(expected)) return bad_number(status, "expected", expected);
  if (!info->metadata().contains("affected")) return std::nullopt;
  const std::string affected = entry_of(*info, "affected");
  if (!parse_int<std::int64_t>(affected)) return bad_number(status, "affected", affected);
  return Error(Code::internal, "delete affected only " + affected + " rows, expected " + expected);
}

}  // namespace

Error status_error(const Status& status) { return Error(status.code, text_of(status)); }

Error plain_error(const Status& status) {
  const Code code = status.code == Code::aborted ? Code::unknown : status.code;
  return Error(code, text_of(status));
}

Error component_error(const Status& status) {
  if (auto error = kit_error(status)) return *std::move(error);
  return plain_error(status);
}

Error write_error(const Status& status) {
  if (auto error = kit_error(status)) return *std::move(error);
  if (auto error = etag_error(status)) return *std::move(error);
  return plain_error(status);
}

Error bulk_delete_error(const Status& status) {
  if (auto error = kit_error(status)) return *std::move(error);
  if (auto error = row_mismatch(status)) return *std::move(error);
  return write_error(status);
}

Error malformed_answer() {
  return Error(Code::internal,
               "rpc error: code = Internal desc = grpc: failed to unmarshal the received message");
}

}  // namespace outrigger::components::pluggable
