#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"
#include "components/middleware/rig_testing.h"

namespace outrigger::components::middleware {

Rig::Rig(std::string type, Properties properties, std::string name) {
  Metadata metadata{std::move(name), std::move(type), "v1", std::move(properties)};
  const auto* kind = find_kind(kinds(), metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  made_ = kind->make(metadata, context_);
}
Rig::~Rig() {
  if (opened_) run_on(loop_, (*made_)->close());
}

Task<net::Response> Rig::say(net::Request request) {
  net::Response response;
  if (answer) {
    response = answer(request);
  } else {
    response.body = request.target;
  }
  seen = std::move(request);
  co_return response;
}

Task<net::Response> Rig::call(net::Request request) {
  if (!opened_) {
    const auto opened = co_await (*made_)->init();
    OUT_ASSERT(opened.has_value());
    opened_ = true;
  }
  Next next = [this](net::Request passed) { return say(std::move(passed)); };
  auto response = co_await (*made_)->handle(std::move(request), std::move(next));
  co_return response;
}

Task<void> Rig::call_into(net::Request request, std::vector<net::Response>* out) {
  auto response = co_await call(std::move(request));
  out->push_back(std::move(response));
}

net::Request Rig::request(std::string target, net::Headers headers, std::string body) {
  net::Request made;
  made.method = method;
  made.scheme = "http";
  made.authority = "shop.test:3500";
  made.target = std::move(target);
  made.headers = std::move(headers);
  made.body = std::move(body);
  made.peer = &peer;
  return made;
}

net::Response Rig::send(std::string target, net::Headers headers, std::string body) {
  return run_on(loop_, call(request(std::move(target), std::move(headers), std::move(body))));
}

std::vector<net::Response> Rig::send_many(std::string target, int count) {
  std::vector<net::Response> responses;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back(call_into(request(target), &responses));
  run_on(loop_, run_all(std::move(tasks)));
  return responses;
}

CannedServer::CannedServer(Answer answer) : answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  OUT_ASSERT(::bind(listener_, generic, size) == 0 && ::listen(listener_, 64) == 0);
  OUT_ASSERT(::getsockname(listener_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

CannedServer::~CannedServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  for (const int fd : kept_) ::close(fd);
}

void CannedServer::serve() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) answer(fd);
  }
}

void CannedServer::answer(int fd) {
  std::string request;
  char buffer[4096];
  while (true) {
    const auto end = request.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::string head = to_lower(request.substr(0, end));
      const auto length = head.find("content-length: ");
      const auto body = length == std::string::npos ? 0UL : std::stoul(head.substr(length + 16));
      if (request.size() >= end + 4 + body) break;
    }
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    request.append(buffer, static_cast<std::size_t>(got));
  }
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const auto bytes = answer_(request);
  std::string_view rest;
  if (bytes) rest = *bytes;
  while (!rest.empty()) {
    const auto sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  const std::lock_guard lock(mutex_);
  if (bytes) {
    ::close(fd);
  } else {
    kept_.push_back(fd);
  }
}

std::vector<std::string> CannedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string CannedServer::reply(int status, const std::string& type, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
         body;
}

}  // namespace outrigger::components::middleware
