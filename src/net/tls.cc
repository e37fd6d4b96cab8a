#include "net/tls.h"

#include <atomic>
#include <mutex>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace outrigger::net {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;

/// One set of options; a connection keeps the one that it was made with.
struct TlsSettings {
  TlsOptions options;
  std::string alpn;
  ContextPtr context;
};

constexpr std::size_t kRecordBytes = 16 * 1024;

// The words that Go programs have for an alert of the other side; the library has none for the
// newer ones.
std::string alert_text(int alert) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE: return "handshake failure";
    case SSL_AD_BAD_CERTIFICATE: return "bad certificate";
    case SSL_AD_UNSUPPORTED_CERTIFICATE: return "unsupported certificate";
    case SSL_AD_CERTIFICATE_REVOKED: return "revoked certificate";
    case SSL_AD_CERTIFICATE_EXPIRED: return "expired certificate";
    case SSL_AD_CERTIFICATE_UNKNOWN: return "unknown certificate";
    case SSL_AD_UNKNOWN_CA: return "unknown certificate authority";
    case SSL_AD_CERTIFICATE_REQUIRED: return "certificate required";
    default: return SSL_alert_desc_string_long(alert);
  }
}

std::string library_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown TLS error";
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
    return "remote error: tls: " + alert_text(reason - SSL_AD_REASON_OFFSET);
  }
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

std::unexpected<Error> bad(const std::string& what) {
  return fail(Code::invalid_argument, "TLS: " + what + ": " + library_error());
}

std::string alpn_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

BioPtr memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The library would ask at the terminal, and wait.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<> use_certificate(SSL_CTX* context, const TlsOptions& options) {
  const BioPtr chain = memory(options.certificate_chain_pem);
  const X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf) return bad("the certificate is not PEM");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return bad("the certificate");
  while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return bad("the certificate chain");
    }
  }
  ERR_clear_error();  // The end of the text is told as an error.
  const BioPtr key_text = memory(options.private_key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  if (!key) return bad("the private key is not PEM");
  // The former does not look at a certificate of another kind than the key.
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return bad("the private key does not belong to the certificate");
  }
  return {};
}

Result<> use_roots(SSL_CTX* context, const std::string& pem) {
  const BioPtr text = memory(pem);
  int count = 0;
  while (X509* root = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    const X509Ptr owned(root);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root);
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::invalid_argument, "TLS: no certificate in the root CA text");
  return {};
}

std::string to_der(X509* certificate) {
  unsigned char* der = nullptr;
  const int bytes = i2d_X509(certificate, &der);
  std::string text;
  if (bytes > 0) text.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(bytes));
  OPENSSL_free(der);
  return text;
}

/// TLS between an owner and a plain transport: two memory buffers and OpenSSL in the middle.
class TlsTransport final : public Transport, Transport::Events, Loop::TurnEnd {
 public:
  TlsTransport(std::unique_ptr<Transport> inner, std::shared_ptr<TlsSettings> settings, bool server)
      : settings_(std::move(settings)),
        inner_(std::move(inner)),
        ssl_(SSL_new(settings_->context.get())),
        peer_(inner_->peer()) {
    SSL_set_app_data(ssl_.get(), this);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    if (server) {
      SSL_set_accept_state(ssl_.get());
    } else {
      SSL_set_connect_state(ssl_.get());
    }
  }
  ~TlsTransport() override {
    loop_.withdraw(*this);
    if (gone_ != nullptr) *gone_ = true;
  }

  static TlsTransport& of(const SSL* ssl) {
    return *static_cast<TlsTransport*>(SSL_get_app_data(ssl));
  }

  /// Client: whom the server must prove to be, and be told that it is asked for.
  void expect(const std::string& server_name, bool check) {
    in6_addr ignored{};
    const bool is_address = inet_pton(AF_INET, server_name.c_str(), &ignored) == 1 ||
                            inet_pton(AF_INET6, server_name.c_str(), &ignored) == 1;
    if (!is_address) SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str());
    if (!check) return;
    if (is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), server_name.c_str());
    } else {
      SSL_set1_host(ssl_.get(), server_name.c_str());
    }
  }

  /// A handshake has ended: a client that allows for one more allows for no third.
  void count_handshake() {
    if (++handshakes_ == 2 && settings_->options.renegotiation == TlsOptions::Renegotiation::once) {
      SSL_set_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION);
    }
  }

  /// In the handshake: what TlsOptions::identify says.
  void identified(const Result<std::string>& identity) {
    if (identity) {
      peer_.identity = *identity;
    } else {
      refusal_ = identity.error().message();
    }
  }

  void start(Transport::Events& events) override {
    events_ = &events;
    if (std::exchange(started_, true)) return pause_reading(false);
    inner_->start(*this);
    guarded_step();
  }
  void acknowledge() noexcept override { inner_->acknowledge(); }
  void pause_reading(bool paused) override {
    inner_->pause_reading(paused);
    // What came before the pause may wait undecrypted. Not here: the owner may be in a callback.
    if (std::exchange(paused_, paused) && !paused && !closed_) loop_.at_turn_end(*this);
  }
  bool peer_ended() const noexcept override { return inner_->peer_ended(); }
  void send(std::string bytes) override {
    if (closed_ || bytes.empty()) return;
    if (!secured_ || !early_.empty()) {
      early_ += bytes;
      return;
    }
    early_ = bytes.substr(encrypt(bytes));
    flush();
  }
  std::size_t unsent() const noexcept override { return early_.size() + inner_->unsent(); }
  void finish_sending() override {
    if (closed_) return;
    if (!secured_ || !early_.empty()) {
      finish_wanted_ = true;
      return;
    }
    finish_wanted_ = false;
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    flush();
    inner_->finish_sending();
  }
  void close() noexcept override {
    closed_ = true;
    inner_->close();
  }
  void reset() noexcept override {
    closed_ = true;
    inner_->reset();
  }
  const Peer& peer() const noexcept override { return peer_; }

 private:
  // Transport::Events
  void on_bytes(std::string_view bytes) override {
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    guarded_step();
  }
  void on_end() override {
    if (!secured_) {
      return give_up(Error(Code::unavailable, "TLS handshake with " + peer_.address + ": EOF"));
    }
    inner_ended_ = true;
    guarded_step();
  }
  void on_error(const Error& error) override { give_up(error); }
  void on_drained() override { events_->on_drained(); }

  void on_turn_end() override {
    if (!closed_) guarded_step();
  }

  void guarded_step() {
    bool gone = false;
    bool* const outer = std::exchange(gone_, &gone);
    step();
    if (!gone) {
      gone_ = outer;
    } else if (outer != nullptr) {
      *outer = true;
    }
  }

  // Handshake or decryption, as far as the bytes go. The owner may destroy this in a callback.
  void step() {
    bool& gone = *gone_;
    if (!secured_) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      flush();
      if (done != 1) {
        const int why = SSL_get_error(ssl_.get(), done);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
        return give_up(handshake_error());
      }
      note_peer();
      secured_ = true;
      send_early();
      events_->on_secured();
      if (gone || closed_) return;
    }
    decrypt(gone);
  }

  void decrypt(bool& gone) {
    std::string plain(kRecordBytes, '\0');
    while (!closed_ && !paused_) {
      ERR_clear_error();
      const int count = SSL_read(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
      if (count > 0) {
        events_->on_bytes({plain.data(), static_cast<std::size_t>(count)});
        if (gone) return;
        continue;
      }
      const int why = SSL_get_error(ssl_.get(), count);
      flush();
      send_early();
      const bool waiting = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
      if (waiting && !inner_ended_) return;
      // Cut off without close_notify: what follows a length or a frame knows how much was due.
      if (waiting || why == SSL_ERROR_ZERO_RETURN) {
        if (!std::exchange(ended_, true)) events_->on_end();
        return;
      }
      return give_up(Error(Code::unavailable,
                           "TLS connection with " + peer_.address + ": " + library_error()));
    }
  }

  // How much was taken: all, but while a new handshake goes on. What a broken connection does not
  // take is taken as well, for nobody waits for it: reading tells why it is broken.
  std::size_t encrypt(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
      const int part = static_cast<int>(std::min(bytes.size() - taken, kRecordBytes));
      ERR_clear_error();
      const int written = SSL_write(ssl_.get(), bytes.data() + taken, part);
      if (written <= 0) {
        const int why = SSL_get_error(ssl_.get(), written);
        return why == SSL_ERROR_WANT_READ ? taken : bytes.size();
      }
      taken += static_cast<std::size_t>(written);
    }
    return taken;
  }

  // What a handshake has kept back.
  void send_early() {
    if (!early_.empty()) {
      early_.erase(0, encrypt(early_));
      flush();
    }
    if (finish_wanted_ && early_.empty()) finish_sending();
  }

  void flush() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    if (size <= 0 || closed_) return;
    inner_->send(std::string(data, static_cast<std::size_t>(size)));
    (void)BIO_reset(out_);
  }

  Error handshake_error() {
    const long verified = SSL_get_verify_result(ssl_.get());
    std::string why = refusal_;
    if (why.empty() && verified != X509_V_OK) {
      why = "tls: failed to verify certificate: ";
      why += X509_verify_cert_error_string(verified);
    } else if (why.empty()) {
      why = library_error();
    }
    ERR_clear_error();
    return {Code::unavailable, "TLS handshake with " + peer_.address + ": " + why};
  }

  void give_up(const Error& error) {
    if (closed_) return;
    flush();  // An alert for the peer may be waiting.
    closed_ = true;
    inner_->close_behind_last_word();
    events_->on_error(error);
  }

  void note_peer() {
    peer_.tls = true;
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    peer_.alpn.assign(reinterpret_cast<const char*>(name), size);
    const X509Ptr leaf(SSL_get1_peer_certificate(ssl_.get()));
    if (leaf) peer_.certificate_der = to_der(leaf.get());
  }

  Loop& loop_ = Loop::current();
  const std::shared_ptr<TlsSettings> settings_;
  std::unique_ptr<Transport> inner_;
  SslPtr ssl_;
  BIO* in_ = nullptr;   // Owned by ssl_.
  BIO* out_ = nullptr;  // Owned by ssl_.
  Transport::Events* events_ = nullptr;
  Peer peer_;
  std::string refusal_;
  std::string early_;  // Given to send() before a handshake ended.
  int handshakes_ = 0;
  bool started_ = false;
  bool secured_ = false;
  bool paused_ = false;
  bool inner_ended_ = false;
  bool ended_ = false;
  bool closed_ = false;
  bool finish_wanted_ = false;
  bool* gone_ = nullptr;
};

void note_handshake(const SSL* ssl, int where, int) {
  if (where == SSL_CB_HANDSHAKE_DONE) TlsTransport::of(ssl).count_handshake();
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                const unsigned char* offered, unsigned int offered_size, void* argument) {
  const auto* ours = static_cast<const std::string*>(argument);
  unsigned char* chosen = nullptr;
  const int status =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours->data()),
                            static_cast<unsigned int>(ours->size()), offered, offered_size);
  *out = chosen;
  return status == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Judges a chain as the library does by itself, then asks whose it is.
int verify_identity(X509_STORE_CTX* verification, void* argument) {
  if (X509_verify_cert(verification) != 1) return 0;
  const auto& identify = static_cast<const TlsOptions*>(argument)->identify;
  const auto identity = identify(to_der(X509_STORE_CTX_get0_cert(verification)));
  void* const ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
  TlsTransport::of(static_cast<SSL*>(ssl)).identified(identity);
  if (identity) return 1;
  X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

void judge_by_identity(SSL_CTX* context, TlsOptions& options) {
  SSL_CTX_set_cert_verify_callback(context, verify_identity, &options);
  X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_ANY);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

int verify_mode(const TlsOptions& options, bool server) {
  if (!server) return options.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
  if (options.require_client_certificate) return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  return options.ca_pem.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
}

Result<std::shared_ptr<TlsSettings>> make_settings(TlsOptions given, bool server) {
  auto settings = std::make_shared<TlsSettings>();
  settings->options = std::move(given);
  TlsOptions& options = settings->options;
  settings->context.reset(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const context = settings->context.get();
  if (context == nullptr) return bad("context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A write that a new handshake keeps back is repeated from where the bytes are by then.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (server || options.renegotiation == TlsOptions::Renegotiation::never) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  } else if (options.renegotiation == TlsOptions::Renegotiation::once) {
    SSL_CTX_set_info_callback(context, note_handshake);
  }
  if (!options.certificate_chain_pem.empty()) {
    OUT_CHECK(use_certificate(context, options));
  }
  if (!options.ca_pem.empty()) {
    OUT_CHECK(use_roots(context, options.ca_pem));
  } else if (!server) {
    SSL_CTX_set_default_verify_paths(context);
  }
  SSL_CTX_set_verify(context, verify_mode(options, server), nullptr);
  if (options.identify) judge_by_identity(context, options);
  settings->alpn = alpn_wire(options.alpn);
  if (settings->alpn.empty()) return settings;
  if (server) {
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, &settings->alpn);
  } else {
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(settings->alpn.data()),
                            static_cast<unsigned int>(settings->alpn.size()));
  }
  return settings;
}

}  // namespace

struct TlsContext::Impl {
  Impl(std::shared_ptr<TlsSettings> first, bool for_server)
      : server(for_server), settings_(std::move(first)) {}

  std::shared_ptr<TlsSettings> settings() {
    const std::lock_guard lock(mutex_);
    return settings_;
  }
  void set(std::shared_ptr<TlsSettings> settings) {
    const std::lock_guard lock(mutex_);
    settings_.swap(settings);
  }

  const bool server;

 private:
  std::mutex mutex_;
  std::shared_ptr<TlsSettings> settings_;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)), id_([] {
        static std::atomic<std::uint64_t> last = 0;
        return ++last;
      }()) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::make(TlsOptions options, bool server) {
  OUT_TRY(auto settings, make_settings(std::move(options), server));
  auto impl = std::make_unique<Impl>(std::move(settings), server);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::server(TlsOptions options) {
  return make(std::move(options), true);
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(TlsOptions options) {
  return make(std::move(options), false);
}

Result<> TlsContext::replace(TlsOptions options) {
  OUT_TRY(auto settings, make_settings(std::move(options), impl_->server));
  impl_->set(std::move(settings));
  return {};
}

std::unique_ptr<Transport> TlsContext::accept(std::unique_ptr<Transport> inner) {
  return std::make_unique<TlsTransport>(std::move(inner), impl_->settings(), true);
}

std::unique_ptr<Transport> TlsContext::connect(std::unique_ptr<Transport> inner,
                                               std::string server_name) {
  auto settings = impl_->settings();
  const bool check_name = !settings->options.identify;
  auto transport = std::make_unique<TlsTransport>(std::move(inner), std::move(settings), false);
  transport->expect(server_name, check_name);
  return transport;
}

}  // namespace outrigger::net
