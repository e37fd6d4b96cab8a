#include <deque>
#include <set>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "grpc/reflection/v1/reflection.pb.h"
#include "runtime/api/reflection.h"

namespace outrigger::runtime::api {
namespace {

// The messages of v1 and v1alpha are the same on the wire.
namespace reflection = ::grpc::reflection::v1;
namespace protobuf = ::google::protobuf;

constexpr std::string_view kServices[] = {"grpc.reflection.v1.ServerReflection",
                                          "grpc.reflection.v1alpha.ServerReflection"};

const protobuf::DescriptorPool& pool() { return *protobuf::DescriptorPool::generated_pool(); }

void not_found(reflection::ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(Code::not_found));
  response.mutable_error_response()->set_error_message("proto: not found");
}

/// The files that one stream has been given, which are not given twice.
using Sent = std::set<const protobuf::FileDescriptor*>;

/// The file and all it imports, itself always.
void answer_file(const protobuf::FileDescriptor* file, Sent& sent,
                 reflection::ServerReflectionResponse& response) {
  if (file == nullptr) return not_found(response);
  auto& files = *response.mutable_file_descriptor_response();
  std::deque<const protobuf::FileDescriptor*> waiting = {file};
  while (!waiting.empty()) {
    const protobuf::FileDescriptor* next = waiting.front();
    waiting.pop_front();
    const bool fresh = sent.insert(next).second;
    if (!fresh && next != file) continue;
    protobuf::FileDescriptorProto proto;
    next->CopyTo(&proto);
    files.add_file_descriptor_proto(proto.SerializeAsString());
    if (!fresh) return;
    for (int i = 0; i < next->dependency_count(); ++i) waiting.push_back(next->dependency(i));
  }
}

void answer_extensions(const std::string& type, reflection::ServerReflectionResponse& response) {
  const protobuf::Descriptor* message = pool().FindMessageTypeByName(type);
  if (message == nullptr) return not_found(response);
  std::vector<const protobuf::FieldDescriptor*> extensions;
  pool().FindAllExtensions(message, &extensions);
  auto& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(type);
  std::set<int> sorted;
  for (const auto* extension : extensions) sorted.insert(extension->number());
  for (const int number : sorted) numbers.add_extension_number(number);
}

Result<std::string> answer(const std::vector<std::string>& services, Sent& sent,
                           const std::string& message) {
  using Request = reflection::ServerReflectionRequest;
  reflection::ServerReflectionResponse response;
  Request& request = *response.mutable_original_request();
  if (!request.ParseFromString(message)) {
    return fail(Code::internal, "grpc: error unmarshalling request");
  }
  response.set_valid_host(request.host());
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      answer_file(pool().FindFileByName(request.file_by_filename()), sent, response);
      break;
    case Request::kFileContainingSymbol:
      answer_file(pool().FindFileContainingSymbol(request.file_containing_symbol()), sent,
                  response);
      break;
    case Request::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const protobuf::Descriptor* type = pool().FindMessageTypeByName(wanted.containing_type());
      const auto* field =
          type == nullptr ? nullptr : pool().FindExtensionByNumber(type, wanted.extension_number());
      answer_file(field == nullptr ? nullptr : field->file(), sent, response);
      break;
    }
    case Request::kAllExtensionNumbersOfType:
      answer_extensions(request.all_extension_numbers_of_type(), response);
      break;
    case Request::kListServices:
      for (const std::string& name : services) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case Request::MESSAGE_REQUEST_NOT_SET:
      return fail(Code::invalid_argument, "invalid MessageRequest: <nil>");
  }
  return response.SerializeAsString();
}

Task<Result<>> serve(std::shared_ptr<const std::vector<std::string>> services,
                     net::grpc::ServerStream* stream) {
  Sent sent;
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream->read());
    if (!message) co_return Result<>();
    OUT_CO_TRY(auto reply, answer(*services, sent, *message));
    OUT_CO_CHECK(co_await stream->write(std::move(reply)));
  }
}

}  // namespace

void add_reflection(net::grpc::Service& server, std::vector<std::string> services) {
  for (const std::string_view own : kServices) services.emplace_back(own);
  std::ranges::sort(services);
  const auto all = std::make_shared<const std::vector<std::string>>(std::move(services));
  for (const std::string_view own : kServices) {
    server.stream(
        "/" + std::string(own) + "/ServerReflectionInfo",
        [all](net::grpc::Call&, net::grpc::ServerStream& stream) { return serve(all, &stream); });
  }
}

}  // namespace outrigger::runtime::api
