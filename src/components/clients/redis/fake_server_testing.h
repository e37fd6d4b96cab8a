#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "components/clients/redis/reply_parser.h"
#include "net/listener.h"

namespace outrigger::components::redis {

/// A server that answers each command as a test says, on the test's own loop.
class FakeServer {
 public:
  using Words = std::vector<std::string>;
  /// The bytes to answer with; "hang up" ends the connection, "" gives no answer.
  using Script = std::function<std::string(const Words& words)>;

  explicit FakeServer(Script script) : script_(std::move(script)) {
    auto listener = net::Listener::bind("127.0.0.1", 0);
    OUT_ASSERT(listener.has_value());
    listener_ = std::move(*listener);
  }
  /// On the loop. Until then connections are neither accepted nor refused.
  void start() {
    listener_->start([this](int fd, net::Peer peer) {
      clients_.push_back(std::make_unique<Client>(*this, fd, std::move(peer)));
    });
  }
  void stop() {
    listener_->close();
    clients_.clear();
  }
  [[nodiscard]] std::string address() const {
    return "127.0.0.1:" + std::to_string(listener_->port());
  }
  /// All commands so far, words joined by spaces, without PING.
  std::vector<std::string> seen;
  int connections = 0;
  /// Sends to every client.
  void send_all(const std::string& bytes) {
    for (auto& client : clients_) client->transport->send(bytes);
  }

 private:
  struct Client final : net::Transport::Events {
    Client(FakeServer& server, int fd, net::Peer peer)
        : server(server), transport(net::make_socket_transport(fd, std::move(peer))) {
      ++server.connections;
      transport->start(*this);
    }
    void on_bytes(std::string_view bytes) override {
      parser.feed(bytes);
      for (;;) {
        auto command = parser.next();
        if (!command || !*command) return;
        if (!answer(**command)) return transport->close();
      }
    }
    bool answer(const Reply& command) {
      Words words;
      for (const auto& item : command.items) words.push_back(item.text);
      if (words[0] != "PING") server.seen.push_back(join(words, " "));
      std::string reply = server.script_(words);
      if (reply == "hang up") return false;
      transport->send(std::move(reply));
      return true;
    }
    void on_end() override {}
    void on_error(const Error&) override {}
    void on_drained() override {}
    FakeServer& server;
    std::unique_ptr<net::Transport> transport;
    ReplyParser parser;
  };

  Script script_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace outrigger::components::redis
