#include "components/pluggable/discovery.h"

#include <filesystem>
#include <system_error>

#include "base/log.h"
#include "base/scope.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "net/grpc/channel.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace reflection = ::grpc::reflection::v1;

constexpr Logger log("pluggable-components-discovery");

// More than anybody has; a folder that was named by mistake shall not open thousands of
// connections.
constexpr std::size_t kSocketsMax = 256;
constexpr std::size_t kServicesMax = 1000;
// Between attempts to reach a program that does not listen yet.
constexpr Duration kPause = 100ms;

Error unreadable(const std::error_code& why) {
  return Error(Code::failed_precondition,
               "could not list pluggable components unix sockets: " + why.message());
}

Result<std::vector<fs::path>> sockets_in(const std::string& folder) {
  std::vector<fs::path> sockets;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory) return sockets;
  if (error) return fail(unreadable(error));
  log.debug("loading pluggable components under path ", folder);
  while (entry != fs::directory_iterator()) {
    std::error_code unknown;
    const auto type = entry->symlink_status(unknown).type();
    if (type == fs::file_type::socket) {
      sockets.push_back(entry->path());
    } else if (type != fs::file_type::directory) {
      log.warn("could not use socket for file ", entry->path().native());
    }
    entry.increment(error);
    if (error) return fail(unreadable(error));
  }
  std::ranges::sort(sockets);
  if (sockets.size() > kSocketsMax) {
    log.warn("only the first ", kSocketsMax, " sockets in ", folder, " are used");
    sockets.resize(kSocketsMax);
  }
  return sockets;
}

Result<std::vector<std::string>> services_of(const std::string& bytes) {
  // The two versions of the service have the same messages.
  reflection::ServerReflectionResponse response;
  if (!response.ParseFromString(bytes)) {
    return fail(Code::internal, "unable to list services: the answer is malformed");
  }
  if (response.has_error_response()) {
    return fail(Code::internal,
                "unable to list services: " + response.error_response().error_message());
  }
  const auto& list = response.list_services_response().service();
  if (static_cast<std::size_t>(list.size()) > kServicesMax) {
    return fail(Code::resource_exhausted, "unable to list services: there are too many");
  }
  std::vector<std::string> names;
  for (const auto& service : list) names.push_back(service.name());
  return names;
}

Task<Result<std::vector<std::string>>> ask(net::grpc::Channel* channel, std::string version) {
  reflection::ServerReflectionRequest request;
  request.set_list_services("*");
  auto stream =
      channel->stream("/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo", {});
  // If this fails, read() says why.
  [[maybe_unused]] const auto written = co_await stream->write(request.SerializeAsString());
  stream->finish_writing();
  OUT_CO_TRY(const auto answer, co_await stream->read());
  if (!answer) co_return fail(Code::internal, "unable to list services: there was no answer");
  co_return services_of(*answer);
}

Task<Result<std::vector<std::string>>> ask_until_answered(net::grpc::Channel* channel) {
  for (;;) {
    // The older version is what upstream asks for, so that every component has it.
    auto services = co_await ask(channel, "v1alpha");
    if (!services && services.error().code() == Code::unimplemented) {
      services = co_await ask(channel, "v1");
    }
    if (services || services.error().code() != Code::unavailable) co_return services;
    const auto slept = co_await sleep_for(kPause);
    if (!slept) co_return services;  // It says more than that the time is over.
  }
}

Task<void> let_go(net::Client* client, net::grpc::Channel* channel) {
  co_await channel->drain();
  co_await client->close();
}

Task<void> examine(fs::path path, Duration patience, std::optional<Socket>* found) {
  net::Client client;
  net::Endpoint endpoint;
  endpoint.address = {path.native(), 0};
  endpoint.protocol = net::Endpoint::Protocol::http2;
  net::grpc::Channel channel(client, endpoint, "localhost");
  auto asking = ask_until_answered(&channel);
  auto services = co_await with_timeout(std::move(asking), patience);
  Cancellation never;
  co_await let_go(&client, &channel).under(never);
  if (!services) {
    log.error("no component answers at socket ", path.native(), ": ", services.error());
    co_return;
  }
  found->emplace(path.native(), path.stem().native(), *std::move(services));
}

}  // namespace

bool Socket::offers(std::string_view service) const noexcept {
  return std::ranges::find(services, service) != services.end();
}

Task<Result<std::vector<Socket>>> discover(DiscoveryOptions options) {
  OUT_CO_TRY(const auto paths, sockets_in(options.folder));
  std::vector<std::optional<Socket>> found(paths.size());
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    tasks.push_back(examine(paths[i], options.patience, &found[i]));
  }
  co_await run_all(std::move(tasks));
  std::vector<Socket> sockets;
  std::size_t services = 0;
  for (auto& each : found) {
    if (!each) continue;
    services += each->services.size();
    sockets.push_back(*std::move(each));
  }
  log.debug("found ", services, " pluggable component services");
  co_return sockets;
}

}  // namespace outrigger::components::pluggable
