#include "base/strings.h"
#include "net/uri.h"
#include "runtime/app/counted.h"
#include "runtime/jobs/any_json.h"
#include "runtime/jobs/deliver.h"

namespace outrigger::runtime::jobs {
namespace {

// Nobody looks at the answer's body; reading it keeps the connection. A longer one costs it.
constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 10;

Result<std::string> body_of(const std::optional<scheduler::Any>& data) {
  if (!data) return std::string();
  if (data->type_url == kValueType) return value_json(data->value);
  return std::string(trim(data->value));
}

// What a path may have unescaped.
bool stands_in_path(char c) noexcept {
  constexpr std::string_view kMarks = "-_.~!$&'()*+,;=:@[]%/";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kMarks.find(c) != std::string_view::npos;
}

// Others differ in the log only.
Code code_of(int status) noexcept {
  if (status >= 200 && status < 300) return Code::ok;
  return status == 404 ? Code::not_found : Code::unknown;
}

}  // namespace

Result<std::string> job_target(std::string_view name) {
  if (name.starts_with('/')) name.remove_prefix(1);
  OUT_TRY(const auto plain, net::path_unescape(name));
  if (std::all_of(name.begin(), name.end(), stands_in_path)) return "/job/" + std::string(name);
  return net::escape_path("/job/" + plain);
}

Task<Result<Code>> deliver_http(app::Channel& app, scheduler::Trigger trigger,
                                telemetry::TraceContext trace) {
  OUT_CO_TRY(auto body, body_of(trigger.data));
  net::Request request;
  request.method = "POST";
  OUT_CO_TRY(request.target, job_target(trigger.name));
  request.headers.add("Content-Type", "application/json");
  if (trace.valid()) {
    request.headers.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  }
  request.content_length = body.size();
  request.body = std::move(body);
  auto response = co_await app::http_counted(app, "/job/" + trigger.name, std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  [[maybe_unused]] auto ignored = co_await response->body.read_all(kAnswerBytesMax);
  co_return code_of(response->status);
}

}  // namespace outrigger::runtime::jobs
