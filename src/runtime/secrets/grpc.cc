#include "runtime/secrets/grpc.h"

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/secrets/service.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::secrets {
namespace {

namespace pb = dapr::proto::runtime::v1;
using net::grpc::Call;
using StringMap = google::protobuf::Map<std::string, std::string>;

std::unexpected<Error> malformed(std::string_view type) {
  return fail(Code::internal, "grpc: error unmarshalling request: malformed " + std::string(type));
}

Properties take(StringMap& from) {
  Properties into;
  for (auto& [key, value] : from) into.insert_or_assign(key, std::move(value));
  return into;
}
void put(Secret& from, StringMap& into) {
  for (auto& [key, value] : from) into[key] = std::move(value);
}

Task<Result<std::string>> get(Service& service, Call& call, std::string message) {
  pb::GetSecretRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  telemetry::note_store_call(api::span_of(call), "secrets", request.store_name(), call.path);
  auto secret =
      co_await service.get(std::move(*request.mutable_store_name()),
                           std::move(*request.mutable_key()), take(*request.mutable_metadata()));
  if (!secret) co_return std::unexpected(std::move(secret).error());
  pb::GetSecretResponse reply;
  put(*secret, *reply.mutable_data());
  co_return reply.SerializeAsString();
}

Task<Result<std::string>> bulk_get(Service& service, std::string message) {
  pb::GetBulkSecretRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  auto secrets = co_await service.bulk_get(std::move(*request.mutable_store_name()),
                                           take(*request.mutable_metadata()));
  if (!secrets) co_return std::unexpected(std::move(secrets).error());
  pb::GetBulkSecretResponse reply;
  for (auto& [name, secret] : *secrets) {
    put(secret, *(*reply.mutable_data())[name].mutable_secrets());
  }
  co_return reply.SerializeAsString();
}

}  // namespace

void add_grpc_methods(net::grpc::Service& server, Service& service) {
  server.unary("/dapr.proto.runtime.v1.Dapr/GetSecret",
               [&service](Call& call, std::string message) {
                 return get(service, call, std::move(message));
               });
  server.unary("/dapr.proto.runtime.v1.Dapr/GetBulkSecret", [&service](Call&, std::string message) {
    return bulk_get(service, std::move(message));
  });
}

}  // namespace outrigger::runtime::secrets
