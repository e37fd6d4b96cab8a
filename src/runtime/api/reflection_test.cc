#include "runtime/api/reflection.h"

#include <google/protobuf/descriptor.pb.h>

#include "base/scope.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace outrigger::runtime::api {
namespace {

namespace reflection = ::grpc::reflection::v1;
using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;

/// What a server of one service answers to requests on one stream, and how that ended.
struct Talk {
  std::vector<Response> replies;
  std::string status;
};

Task<Talk> talk(std::string version, std::vector<Request> requests) {
  net::grpc::Service server;
  add_reflection(server, {"grpc.reflection.v1.ServerReflection.Test"});
  net::Request call;
  call.method = "POST";
  call.target = "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo";
  call.headers = {{"content-type", "application/grpc"}};
  for (const Request& request : requests) {
    net::grpc::append_frame(call.body.whole, request.SerializeAsString());
  }
  auto answered = co_await server.handle(std::move(call));
  auto bytes = co_await answered.body.read_all(1U << 20);
  Talk result;
  net::grpc::Deframer deframer;
  deframer.feed(*bytes);
  for (;;) {
    const auto frame = deframer.next();
    if (!frame || !*frame) break;
    EXPECT_TRUE(result.replies.emplace_back().ParseFromString(std::string((*frame)->payload)));
  }
  result.status = answered.headers.contains("grpc-status")
                      ? std::string(answered.headers.value("grpc-status"))
                      : std::string(answered.body.trailers.value("grpc-status"));
  co_await server.drain();
  co_return result;
}

std::vector<std::string> files_of(const Response& response) {
  std::vector<std::string> names;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  return names;
}

TEST(Reflection, ListsTheServicesSortedInBothVersions) {
  for (const char* version : {"v1", "v1alpha"}) {
    Request list;
    list.set_host("here");
    list.set_list_services("*");
    const Talk said = run(talk(version, {list}));
    EXPECT_EQ(said.status, "0");
    ASSERT_EQ(said.replies.size(), 1U);
    EXPECT_EQ(said.replies[0].valid_host(), "here");
    EXPECT_EQ(said.replies[0].original_request().list_services(), "*");
    std::vector<std::string> names;
    for (const auto& service : said.replies[0].list_services_response().service()) {
      names.push_back(service.name());
    }
    EXPECT_EQ(names, (std::vector<std::string>{"grpc.reflection.v1.ServerReflection",
                                               "grpc.reflection.v1.ServerReflection.Test",
                                               "grpc.reflection.v1alpha.ServerReflection"}));
  }
}

TEST(Reflection, GivesTheFileOfASymbolAndWhatItImportsOnceAStream) {
  Request symbol;
  symbol.set_file_containing_symbol("grpc.reflection.v1.ServerReflection");
  Request message;
  message.set_file_containing_symbol("google.protobuf.FileDescriptorSet");
  Request name;
  name.set_file_by_filename("grpc/reflection/v1/reflection.proto");
  const Talk said = run(talk("v1", {symbol, message, name}));
  ASSERT_EQ(said.replies.size(), 3U);
  const std::vector<std::string> own = {"grpc/reflection/v1/reflection.proto"};
  EXPECT_EQ(files_of(said.replies[0]), own);
  EXPECT_EQ(files_of(said.replies[1]),
            (std::vector<std::string>{"google/protobuf/descriptor.proto"}));
  EXPECT_EQ(files_of(said.replies[2]), own);
}

TEST(Reflection, WhatIsNotThereIsAnErrorOfThatRequestAlone) {
  Request symbol;
  symbol.set_file_containing_symbol("no.such.Thing");
  Request file;
  file.set_file_by_filename("no/such.proto");
  Request extension;
  extension.mutable_file_containing_extension()->set_containing_type("no.such.Type");
  Request extensions;
  extensions.set_all_extension_numbers_of_type("no.such.Type");
  const Talk said = run(talk("v1", {symbol, file, extension, extensions}));
  EXPECT_EQ(said.status, "0");
  ASSERT_EQ(said.replies.size(), 4U);
  for (const Response& reply : said.replies) EXPECT_EQ(reply.error_response().error_code(), 5);
}

TEST(Reflection, ARequestThatAsksNothingEndsTheStream) {
  const Talk said = run(talk("v1", {Request()}));
  EXPECT_EQ(said.status, "3");
  EXPECT_TRUE(said.replies.empty());
}

}  // namespace
}  // namespace outrigger::runtime::api
