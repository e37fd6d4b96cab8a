#include "base/log.h"
#include "components/pluggable/fakes_testing.h"
#include "dapr/proto/components/v1/common.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace outrigger::components::pluggable::testing {

using namespace std::chrono_literals;
namespace proto = dapr::proto::components::v1;
namespace reflection = ::grpc::reflection::v1;

struct FakeProgram::Running {
  Loops loops{1};
  Scope scope;
  net::grpc::Service service;
  std::unique_ptr<net::Server> server;
  std::atomic<bool> done = false;

  Task<void> end() {
    co_await server->stop(0ms);
    co_await service.drain();
    done = true;
  }
};

FakeProgram::FakeProgram(std::string path) : path_(std::move(path)) {}
FakeProgram::~FakeProgram() { stop(); }

void FakeProgram::note(net::grpc::Call* call, std::string message) {
  const std::lock_guard lock(mutex_);
  seen_.push_back({call->path, std::string(call->value("x-component-instance")), call->authority,
                   std::move(message)});
}

Task<Result<std::string>> FakeProgram::answer(net::grpc::Call* call, std::string path,
                                              std::string message) {
  note(call, message);
  if (hanging_.contains(path)) {
    Completion<std::string> never;
    auto result = co_await never.wait();
    co_return result;
  }
  co_return methods_.at(path)(std::move(message));
}

Task<Result<>> FakeProgram::serve_stream(net::grpc::Call* call, std::string path,
                                         net::grpc::ServerStream* stream) {
  note(call, std::string());
  auto served = co_await streams_.at(path)(stream);
  co_return served;
}

Task<Result<>> FakeProgram::reflect(net::grpc::ServerStream* stream) {
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream->read());
    if (!message) co_return Result<>();
    reflection::ServerReflectionRequest request;
    if (!request.ParseFromString(*message) || !request.has_list_services()) {
      co_return fail(Code::invalid_argument, "only services are listed here");
    }
    if (reflection_ == Reflection::silent) {
      Completion<> never;
      auto woken = co_await never.wait();
      co_return woken;
    }
    reflection::ServerReflectionResponse response;
    auto* const list = response.mutable_list_services_response();
    for (const auto& service : services_) list->add_service()->set_name(service);
    list->add_service()->set_name("grpc.reflection.v1alpha.ServerReflection");
    std::string bytes = response.SerializeAsString();
    if (reflection_ == Reflection::malformed) bytes = "\x32\xff not a message";
    OUT_CO_CHECK(co_await stream->write(std::move(bytes)));
  }
}

void FakeProgram::serve_reflection(net::grpc::Service& service) {
  const auto serve = [&](const char* path) {
    service.stream(path, [this](net::grpc::Call&, net::grpc::ServerStream& stream) {
      return reflect(&stream);
    });
  };
  if (reflection_ == Reflection::none) return;
  if (reflection_ != Reflection::only_v1) {
    serve("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  }
  if (reflection_ != Reflection::only_v1alpha) {
    serve("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  }
}

void FakeProgram::start() {
  running_ = std::make_unique<Running>();
  serve_reflection(running_->service);
  std::set<std::string> unary = hanging_;
  for (const auto& [path, method] : methods_) unary.insert(path);
  for (const auto& path : unary) {
    running_->service.unary(path, [this, path](net::grpc::Call& call, std::string message) {
      return answer(&call, path, std::move(message));
    });
  }
  for (const auto& [path, stream] : streams_) {
    running_->service.stream(path,
                             [this, path](net::grpc::Call& call, net::grpc::ServerStream& stream) {
                               return serve_stream(&call, path, &stream);
                             });
  }
  net::ServerOptions options;
  options.grpc = true;
  running_->server = std::make_unique<net::Server>(
      running_->loops, std::vector<net::RequestHandler*>{&running_->service}, options);
  running_->loops.start();
  auto listener = net::Listener::bind_unix(path_).value();
  running_->loops[0].post(
      [this, mine = std::move(listener)]() mutable { running_->server->listen(std::move(mine)); });
}

void FakeProgram::stop() {
  if (running_ == nullptr) return;
  running_->loops[0].post([this] { running_->scope.spawn(running_->end()); });
  while (!running_->done) std::this_thread::yield();
  running_->loops.stop_and_join();
  running_.reset();
}

void be_component(FakeProgram& program, const std::string& service,
                  std::vector<std::string> features) {
  program.on("/" + service + "/Init", [](std::string) { return std::string(); });
  program.on("/" + service + "/Features", [features](std::string) {
    proto::FeaturesResponse response;
    for (const auto& feature : features) response.add_features(feature);
    return response.SerializeAsString();
  });
}

Task<bool> until(std::function<bool()> done) {
  for (int i = 0; i < 2000; ++i) {
    if (done()) co_return true;
    const auto slept = co_await sleep_for(5ms);
    if (!slept) break;
  }
  co_return done();
}

}  // namespace outrigger::components::pluggable::testing
