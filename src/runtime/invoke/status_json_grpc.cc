#include <google/protobuf/util/json_util.h>
#include <google/rpc/error_details.pb.h>

#include "dapr/proto/internals/v1/status.pb.h"
#include "runtime/invoke/status_json.h"

namespace outrigger::runtime::invoke {

Result<std::string> status_json(int code, std::string_view message,
                                const std::vector<std::string>& details) {
  // Makes these types known to the writer: a library's file that nobody names is not linked.
  (void)google::rpc::ErrorInfo::descriptor();
  dapr::proto::internals::v1::Status status;
  status.set_code(code);
  status.set_message(std::string(message));
  for (const std::string& detail : details) {
    if (!status.add_details()->ParseFromString(detail)) {
      return fail(Code::internal, "the details of the application's status are malformed");
    }
  }
  std::string json;
  const auto written = google::protobuf::util::MessageToJsonString(status, &json);
  if (!written.ok()) return fail(Code::internal, "proto: " + written.ToString());
  return json;
}

}  // namespace outrigger::runtime::invoke
