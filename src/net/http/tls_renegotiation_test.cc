#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "net/http/tls_testing.h"

namespace outrigger::net {
namespace {

/// A server of TLS 1.2 that asks for a new handshake when the test says so.
class OldServer {
 public:
  OldServer(const std::string& certificate, const std::string& key)
      : context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_max_proto_version(context_, TLS1_2_VERSION);
    BIO* text = BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size()));
    X509* own = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, own);
    X509_free(own);
    BIO_free(text);
    text = BIO_new_mem_buf(key.data(), static_cast<int>(key.size()));
    EVP_PKEY* secret = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_, secret);
    EVP_PKEY_free(secret);
    BIO_free(text);
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_accept_state(ssl_);
  }
  ~OldServer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  OldServer(const OldServer&) = delete;
  OldServer& operator=(const OldServer&) = delete;

  /// Takes what the client has sent; what it sends back.
  std::string answer(const std::string& bytes) {
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    std::string part(20'000, '\0');
    for (;;) {
      const int count = SSL_read(ssl_, part.data(), static_cast<int>(part.size()));
      if (count <= 0) break;
      heard.append(part, 0, static_cast<std::size_t>(count));
    }
    return sent();
  }
  /// Its question for a new handshake.
  std::string ask_anew() {
    SSL_renegotiate(ssl_);
    SSL_do_handshake(ssl_);
    return sent();
  }
  [[nodiscard]] bool renegotiating() const { return SSL_renegotiate_pending(ssl_) != 0; }
  std::string heard;

 private:
  std::string sent() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string bytes(data, static_cast<std::size_t>(size));
    (void)BIO_reset(out_);
    return bytes;
  }
  SSL_CTX* context_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
};

struct Scene {
  explicit Scene(TlsOptions::Renegotiation renegotiation) {
    const auto [certificate, key] = self_signed("EC");
    server = std::make_unique<OldServer>(certificate, key);
    TlsOptions trust;
    trust.ca_pem = certificate;
    trust.renegotiation = renegotiation;
    auto wire = std::make_unique<HandTransport>(from_client);
    to_client = wire.get();
    client = TlsContext::client(trust).value()->connect(std::move(wire), "test.local");
    listening = std::make_unique<Listening>(*client, 0);
    client->start(*listening);
    carry();
  }
  /// Until nobody has anything more to say.
  void carry() {
    while (!from_client.empty()) {
      const std::string bytes = server->answer(std::exchange(from_client, {}));
      if (!bytes.empty()) to_client->to->on_bytes(bytes);
    }
  }
  std::string from_client;
  std::unique_ptr<OldServer> server;
  HandTransport* to_client = nullptr;
  std::unique_ptr<Transport> client;
  std::unique_ptr<Listening> listening;
};

Task<void> sent_between() {
  Scene scene(TlsOptions::Renegotiation::freely);
  const std::string large(100'000, 'x');
  scene.client->send("first ");
  scene.to_client->to->on_bytes(scene.server->ask_anew());
  // In the handshake nothing can be sent: it waits, in its order, and counts as unsent.
  scene.client->send("second ");
  scene.client->send(large);
  EXPECT_GE(scene.client->unsent(), large.size());
  scene.client->finish_sending();
  scene.carry();
  EXPECT_EQ(scene.server->heard, "first second " + large);
  EXPECT_EQ(scene.client->unsent(), 0U);
  EXPECT_EQ(scene.listening->heard, "");
  co_return;
}

TEST(TlsRenegotiation, WhatIsSentMeanwhileComesAfterItAndWhole) { run(sent_between()); }

Task<void> asked(TlsOptions::Renegotiation renegotiation, int allowed) {
  Scene scene(renegotiation);
  for (int i = 0; i < 3; ++i) {
    scene.to_client->to->on_bytes(scene.server->ask_anew());
    scene.carry();
    EXPECT_EQ(scene.server->renegotiating(), i >= allowed) << i;
    if (i >= allowed) break;
    scene.client->send("more ");
    scene.carry();
    EXPECT_EQ(scene.server->heard.size(), 5U * static_cast<unsigned>(i + 1));
  }
  co_return;
}

TEST(TlsRenegotiation, IsDoneAsOftenAsTheOptionsSay) {
  run(asked(TlsOptions::Renegotiation::never, 0));
  run(asked(TlsOptions::Renegotiation::once, 1));
  run(asked(TlsOptions::Renegotiation::freely, 3));
}

}  // namespace
}  // namespace outrigger::net
