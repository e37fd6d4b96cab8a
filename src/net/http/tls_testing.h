#pragma once

#include <string>
#include <utility>

#include "base/scope.h"
#include "net/tls.h"

/// For tests of TLS: certificates, and connections whose bytes are carried over by hand.
namespace outrigger::net {

/// A self-signed certificate for test.local: its certificate and key, in PEM. `type`: "ED25519" or
/// "EC".
std::pair<std::string, std::string> self_signed(const char* type = "ED25519");

/// A transport whose bytes the test carries over by hand, paused or not.
class HandTransport final : public Transport {
 public:
  explicit HandTransport(std::string& sent) : sent_(sent) {}
  void start(Events& events) override { to = &events; }
  void pause_reading(bool) override {}
  void send(std::string bytes) override { sent_ += bytes; }
  std::size_t unsent() const noexcept override { return 0; }
  void finish_sending() override {}
  void close() noexcept override {}
  const Peer& peer() const noexcept override { return peer_; }
  Events* to = nullptr;

 private:
  std::string& sent_;
  Peer peer_;
};

/// What an owner of a transport hears; it pauses as often as it is told to.
struct Listening final : Transport::Events {
  explicit Listening(Transport& transport, int pauses) : transport(transport), pauses(pauses) {}
  void pause() {
    if (pauses-- > 0) transport.pause_reading(true);
  }
  void on_bytes(std::string_view bytes) override {
    heard += bytes;
    pause();
  }
  void on_end() override { heard += "END"; }
  void on_error(const Error& error) override { heard += error.message(); }
  void on_drained() override {}
  void on_secured() override { pause(); }
  Transport& transport;
  int pauses;
  std::string heard;
};

inline Task<void> next_turn() {
  Completion<> turned;
  Loop::current().post([&turned] { turned.set({}); });
  [[maybe_unused]] auto done = co_await turned.wait();
  Completion<> again;
  Loop::current().post([&again] { again.set({}); });
  done = co_await again.wait();
}

}  // namespace outrigger::net
