#include "security/identity/authority.h"

#include "base/blocking_pool.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text_file.h"
#include "net/grpc/channel.h"
#include "net/http/client.h"
#include "security/identity/anchors.h"
#include "security/identity/contexts.h"
#include "security/identity/wire.h"
#include "security/spiffe/id.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"

namespace outrigger::security::identity {
namespace {

using namespace std::chrono_literals;
using Asked = std::expected<Credentials, AuthorityError>;

constexpr int kTriesMax = 5;
constexpr Duration kTryTimeout = 3s;
constexpr Duration kPause = 50ms;
constexpr std::size_t kTokenBytesMax = 64 * 1024;

std::unexpected<AuthorityError> failed(std::string_view reason, std::string_view what,
                                       Error error) {
  return std::unexpected(AuthorityError{std::move(error).context(what), reason});
}

Task<Result<std::string>> read_token(std::optional<std::string> file) {
  if (!file) co_return std::string();
  if (file->empty()) {
    co_return fail(Code::invalid_argument,
                   "environmental variable DAPR_SENTRY_TOKEN_FILE is set with an empty value");
  }
  std::move_only_function<Result<std::string>()> work = [path = *file] {
    return read_text_file(path, kTokenBytesMax);
  };
  auto token = co_await BlockingPool::shared().run<std::string>(std::move(work));
  if (token && token->empty()) {
    co_return fail(Code::invalid_argument, "token at path '" + *file + "' is empty");
  }
  co_return token;
}

bool is_worth_another_try(Code code) {
  return code == Code::unavailable || code == Code::resource_exhausted ||
         code == Code::deadline_exceeded;
}

/// `reached`: there was an answer, though it may be an error.
Task<Result<std::string>> call(net::Endpoint endpoint, std::string message, bool* reached) {
  net::Client client({.connect_timeout = kTryTimeout});
  net::grpc::Channel channel(client, endpoint);
  Result<std::string> answer = fail(Code::unavailable, "not called");
  for (int tries = 1;; ++tries) {
    net::grpc::CallOptions options;
    options.timeout = kTryTimeout;
    auto reply = co_await channel.unary(std::string(wire::kSignCertificate), message, options);
    if (!reply) {
      answer = std::unexpected(std::move(reply).error());
      break;  // This task was cancelled.
    }
    *reached = !reply->headers.empty();
    if (reply->status.ok()) {
      answer = std::move(reply->message);
      break;
    }
    answer = std::unexpected(net::grpc::to_error(std::move(reply->status)));
    if (!*reached || tries == kTriesMax || !is_worth_another_try(answer.error().code())) break;
    auto slept = co_await sleep_for(kPause * tries);
    if (!slept) break;
  }
  co_await channel.drain();
  co_await client.close();
  co_return answer;
}

Result<Credentials> credentials_of(wire::Signed answer, const x509::PrivateKey& key) {
  OUT_TRY(const auto chain, x509::parse_certificates(answer.chain_pem));
  OUT_TRY(const auto id, spiffe::id_of_leaf(chain.front()));
  OUT_TRY(const auto certified, chain.front().public_key());
  if (!(certified == key.public_key())) {
    return fail(Code::internal, "the certificate is not for the key that was sent");
  }
  Credentials made;
  made.id = id.text();
  made.chain_pem = std::move(answer.chain_pem);
  made.key_pem = key.pem();
  made.anchors_pem = std::move(answer.anchors_pem);
  made.not_after = chain.front().not_after();
  made.jwt = std::move(answer.jwt);
  made.jwt_by_audience = std::move(answer.jwt_by_audience);
  return made;
}

}  // namespace

Task<Asked> ask_authority(AuthorityOptions options, std::string anchors_pem) {
  auto address = net::parse_address(options.address);
  if (!address) {
    co_return failed("sentry_conn", "error establishing connection to sentry", address.error());
  }
  net::Endpoint endpoint{.address = *address, .protocol = net::Endpoint::Protocol::http2};
  auto tls = trusting_client(anchors_pem, options.authority_id);
  if (!tls) co_return failed("sentry_conn", "error establishing connection to sentry", tls.error());
  endpoint.tls = *std::move(tls);
  auto token = co_await read_token(options.token_file);
  if (!token) co_return failed("sentry_token", "error obtaining token", token.error());
  auto key = x509::PrivateKey::generate(x509::KeyType::ed25519);
  if (!key) co_return failed("sign", "failed to generate private key", key.error());
  auto request = x509::make_request(*key);
  if (!request) co_return failed("sign", "failed to create sidecar csr", request.error());
  const std::string pem = x509::to_pem("CERTIFICATE REQUEST", *request);
  std::string message = wire::sign_request(options, pem, *token);
  bool reached = false;
  auto reply = co_await call(std::move(endpoint), std::move(message), &reached);
  if (!reply && !reached && is_worth_another_try(reply.error().code())) {
    auto failure =
        failed("sentry_conn", "error establishing connection to sentry", std::move(reply).error());
    failure.error().unreachable = true;
    co_return failure;
  }
  if (!reply) co_return failed("sign", "error from sentry SignCertificate", reply.error());
  auto answer = wire::read_answer(*reply);
  if (!answer) co_return failed("sign", "error from sentry SignCertificate", answer.error());
  auto made = credentials_of(*std::move(answer), *key);
  if (!made) {
    co_return failed("sign", "error parsing newly signed certificate", std::move(made).error());
  }
  co_return *std::move(made);
}

}  // namespace outrigger::security::identity
