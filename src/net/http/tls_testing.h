#pragma once

#include <utility>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/scope.h"
#include "net/tls.h"

/// For tests of TLS: certificates, and connections whose bytes are carried over by hand.
namespace outrigger::net {

/// A self-signed certificate for test.local: its certificate and key.
inline std::pair<std::string, std::string> self_signed(const char* type = "ED25519") {
  EVP_PKEY* key = std::string_view(type) == "EC"
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, type, "P-256")
                      : EVP_PKEY_Q_keygen(nullptr, nullptr, type);
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME* name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test.local"), -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509_EXTENSION* san =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:test.local");
  X509_add_ext(cert, san, -1);
  X509_EXTENSION_free(san);
  X509_sign(cert, key, std::string_view(type) == "EC" ? EVP_sha256() : nullptr);
  auto text = [](auto write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  };
  auto result = std::pair(text([&](BIO* bio) { PEM_write_bio_X509(bio, cert); }), text([&](BIO* b) {
                            PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr);
                          }));
  X509_free(cert);
  EVP_PKEY_free(key);
  return result;
}

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
