#include "runtime/invoke/message_limit.h"

#include "net/grpc/frame_meter.h"
#include "net/grpc/status.h"

namespace outrigger::runtime::invoke {
namespace {

using net::grpc::FrameMeter;

constexpr std::string_view kEncoding = "grpc-encoding";

class RequestFilter final : public net::Pipe::Filter {
 public:
  RequestFilter(FrameMeter meter, std::shared_ptr<std::optional<Error>> refusal)
      : meter_(std::move(meter)), refusal_(std::move(refusal)) {}

  std::size_t on_bytes(std::string_view bytes, std::optional<Error>& error) override {
    auto fed = meter_.feed(bytes);
    if (fed) return bytes.size();
    *refusal_ = fed.error();
    error = std::move(fed).error();
    return meter_.sound_bytes();
  }
  std::optional<net::Headers> on_error(const Error&) override { return std::nullopt; }

 private:
  FrameMeter meter_;
  std::shared_ptr<std::optional<Error>> refusal_;
};

class ResponseFilter final : public net::Pipe::Filter {
 public:
  ResponseFilter(FrameMeter meter, std::shared_ptr<const std::optional<Error>> request_refusal)
      : meter_(std::move(meter)), request_refusal_(std::move(request_refusal)) {}

  std::size_t on_bytes(std::string_view bytes, std::optional<Error>& error) override {
    auto fed = meter_.feed(bytes);
    if (fed) return bytes.size();
    error = std::move(fed).error();
    return meter_.sound_bytes();
  }
  std::optional<net::Headers> on_error(const Error& error) override {
    net::Headers trailers;
    const Error& why = *request_refusal_ ? **request_refusal_ : error;
    net::grpc::append_status(trailers, net::grpc::to_status(why));
    return trailers;
  }

 private:
  FrameMeter meter_;
  std::shared_ptr<const std::optional<Error>> request_refusal_;
};

}  // namespace

MessageLimit::MessageLimit(std::size_t message_bytes_max)
    : message_bytes_max_(message_bytes_max), refusal_(std::make_shared<std::optional<Error>>()) {}

Result<> MessageLimit::guard(net::Request& request) {
  FrameMeter meter(message_bytes_max_, request.headers.value(kEncoding));
  if (!request.body.is_stream()) return meter.feed(request.body.whole);
  request.body.stream->set_filter(std::make_unique<RequestFilter>(std::move(meter), refusal_));
  if (*refusal_) return std::unexpected(**refusal_);
  return {};
}

Result<> MessageLimit::guard(net::Response& response) {
  FrameMeter meter(message_bytes_max_, response.headers.value(kEncoding));
  if (!response.body.is_stream()) return meter.feed(response.body.whole);
  response.body.stream->set_filter(std::make_unique<ResponseFilter>(std::move(meter), refusal_));
  return {};
}

}  // namespace outrigger::runtime::invoke
