// Holds the generated messages against wire.tsv, and a few of them against bytes written by hand.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "dapr/proto/common/v1/common.pb.h"
#include "dapr/proto/components/v1/state.pb.h"
#include "dapr/proto/internals/v1/service_invocation.pb.h"
#include "dapr/proto/operator/v1/operator.pb.h"
#include "dapr/proto/placement/v1/placement.pb.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "dapr/proto/runtime/v1/metadata.pb.h"
#include "dapr/proto/runtime/v1/state.pb.h"
#include "dapr/proto/runtime/v1/workflow.pb.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "dapr/proto/sentry/v1/sentry.pb.h"
#include "durabletask/orchestrator_service.pb.h"
#include "google/rpc/status.pb.h"
#include "scheduler_store/stored.pb.h"

namespace {

namespace pb = google::protobuf;
namespace runtime = dapr::proto::runtime::v1;
using dapr::proto::common::v1::StateItem;

// A schema as lines of text: what wire.tsv says, or what the generated code says.
using Lines = std::set<std::string>;

struct Table {
  std::vector<std::string> files;
  Lines lines;
};

// Each line of wire.tsv with the file and the message, enum or service that it belongs to.
Table read_table() {
  Table table;
  std::ifstream in(OUT_WIRE_TSV);
  std::string file;
  std::string owner;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::string kind = line.substr(0, line.find('\t'));
    const bool opens = kind == "message" || kind == "enum" || kind == "service";
    if (kind == "file") {
      const std::size_t start = line.find('\t') + 1;
      file = line.substr(start, line.find('\t', start) - start);
      table.files.push_back(file);
      owner.clear();
    } else if (opens) {
      owner = line.substr(line.find('\t') + 1);
    }
    table.lines.insert(file + ": " + (opens || owner.empty() ? "" : owner + " ") + line);
  }
  return table;
}

// The fields of one row, tab separated; empty ones at the end are left out, as in the table.
std::string row(const std::vector<std::string>& cells) {
  std::string text;
  for (const std::string& cell : cells) text += (&cell == &cells.front() ? "" : "\t") + cell;
  while (text.ends_with('\t')) text.pop_back();
  return text;
}

std::string type_of(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    const pb::Descriptor& entry = *field.message_type();
    return "map<" + type_of(*entry.map_key()) + "," + type_of(*entry.map_value()) + ">";
  }
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

std::string label_of(const pb::FieldDescriptor& field) {
  if (field.is_map()) return "map";
  if (field.is_repeated()) return "repeated";
  if (field.real_containing_oneof() != nullptr) {
    return "oneof " + field.real_containing_oneof()->name();
  }
  return field.has_optional_keyword() ? "optional" : "";
}

std::string lower_camel(const std::string& name) {
  std::string text;
  bool up = false;
  for (const char c : name) {
    if (c != '_') text += up && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    up = c == '_';
  }
  return text;
}

class Renderer {
 public:
  Lines render(const pb::FileDescriptor& file) {
    prefix_ = file.name() + ": ";
    add("", row({"file", file.name(), file.package()}));
    for (int i = 0; i < file.message_type_count(); ++i) message(*file.message_type(i));
    for (int i = 0; i < file.enum_type_count(); ++i) enumeration(*file.enum_type(i));
    for (int i = 0; i < file.service_count(); ++i) service(*file.service(i));
    return std::move(lines_);
  }

 private:
  void add(const std::string& owner, const std::string& text) {
    lines_.insert(prefix_ + (owner.empty() ? "" : owner + " ") + text);
  }

  void message(const pb::Descriptor& type) {
    if (type.options().map_entry()) return;
    add("", row({"message", type.full_name()}));
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      const bool plain = field.json_name() == lower_camel(field.name());
      add(type.full_name(), row({"field", field.name(), std::to_string(field.number()),
                                 type_of(field), label_of(field), plain ? "" : field.json_name()}));
    }
    for (int i = 0; i < type.reserved_range_count(); ++i) {
      for (int n = type.reserved_range(i)->start; n < type.reserved_range(i)->end; ++n) {
        add(type.full_name(), row({"reserved", std::to_string(n)}));
      }
    }
    for (int i = 0; i < type.reserved_name_count(); ++i) {
      add(type.full_name(), row({"reserved", type.reserved_name(i)}));
    }
    for (int i = 0; i < type.nested_type_count(); ++i) message(*type.nested_type(i));
    for (int i = 0; i < type.enum_type_count(); ++i) enumeration(*type.enum_type(i));
  }

  void enumeration(const pb::EnumDescriptor& type) {
    add("", row({"enum", type.full_name()}));
    for (int i = 0; i < type.value_count(); ++i) {
      const pb::EnumValueDescriptor& value = *type.value(i);
      add(type.full_name(), row({"value", value.name(), std::to_string(value.number())}));
    }
    for (int i = 0; i < type.reserved_range_count(); ++i) {
      for (int n = type.reserved_range(i)->start; n <= type.reserved_range(i)->end; ++n) {
        add(type.full_name(), row({"reserved", std::to_string(n)}));
      }
    }
    for (int i = 0; i < type.reserved_name_count(); ++i) {
      add(type.full_name(), row({"reserved", type.reserved_name(i)}));
    }
  }

  void service(const pb::ServiceDescriptor& type) {
    add("", row({"service", type.full_name()}));
    for (int i = 0; i < type.method_count(); ++i) {
      const pb::MethodDescriptor& rpc = *type.method(i);
      const std::string in = rpc.client_streaming() ? "stream " : "";
      const std::string out = rpc.server_streaming() ? "stream " : "";
      add(type.full_name(), row({"rpc", rpc.name(), in + rpc.input_type()->full_name(),
                                 out + rpc.output_type()->full_name()}));
    }
  }

  std::string prefix_;
  Lines lines_;
};

std::string difference(const Lines& a, const Lines& b) {
  std::vector<std::string> only;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only));
  std::string text;
  for (const std::string& line : only) text += line + "\n";
  return text;
}

std::string json(const pb::Message& message) {
  std::string text;
  EXPECT_TRUE(pb::util::MessageToJsonString(message, &text).ok());
  return text;
}

// Names one message of each library, for the linker takes in what is named.
std::vector<const pb::Descriptor*> one_of_each_library() {
  return {google::rpc::Status::descriptor(),
          StateItem::descriptor(),
          runtime::GetStateRequest::descriptor(),
          dapr::proto::internals::v1::Actor::descriptor(),
          dapr::proto::components::v1::GetRequest::descriptor(),
          dapr::proto::operator_::v1::GetConfigurationRequest::descriptor(),
          dapr::proto::placement::v1::Host::descriptor(),
          dapr::proto::scheduler::v1::Job::descriptor(),
          dapr::proto::sentry::v1::SignCertificateRequest::descriptor(),
          WorkItem::descriptor(),
          stored::Job::descriptor()};
}

TEST(Wire, EveryNameNumberTypeAndLabelIsThatOfTheTable) {
  ASSERT_EQ(one_of_each_library().size(), 11u);
  const Table table = read_table();
  ASSERT_GT(table.files.size(), 40u) << "cannot read " << OUT_WIRE_TSV;
  Lines ours;
  for (const std::string& name : table.files) {
    const pb::FileDescriptor* file = pb::DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr) {
      ADD_FAILURE() << name << " is not in the program";
      continue;
    }
    ours.merge(Renderer().render(*file));
  }
  EXPECT_EQ(difference(table.lines, ours), "") << "(in the table, but not in our .proto files)";
  EXPECT_EQ(difference(ours, table.lines), "") << "(in our .proto files, but not in the table)";
}

TEST(Wire, AStateItemHasTheBytesOfItsFieldNumbers) {
  StateItem item;
  item.set_key("k");
  item.set_value("v");
  item.mutable_etag()->set_value("7");
  (*item.mutable_metadata())["a"] = "b";
  item.mutable_options()->set_consistency(
      dapr::proto::common::v1::StateOptions::CONSISTENCY_STRONG);
  EXPECT_EQ(item.SerializeAsString(), std::string("\x0a\x01k"
                                                  "\x12\x01v"
                                                  "\x1a\x03\x0a\x01"
                                                  "7"
                                                  "\x22\x06\x0a\x01"
                                                  "a\x12\x01"
                                                  "b"
                                                  "\x2a\x02\x10\x02"));
}

TEST(Wire, AnOptionalFieldThatIsSetToItsDefaultIsStillSent) {
  dapr::proto::placement::v1::Host host;
  EXPECT_EQ(host.SerializeAsString(), "");
  host.set_version(0);
  EXPECT_EQ(host.SerializeAsString(), std::string("\x50\x00", 2));
}

TEST(Wire, TheJsonNamesThatDifferFromTheFieldNamesAreKept) {
  runtime::GetMetadataResponse metadata;
  metadata.add_registered_components()->set_name("c");
  metadata.add_subscriptions()->set_pubsub_name("p");
  metadata.set_runtime_version("1");
  EXPECT_EQ(json(metadata), R"({"components":[{"name":"c"}],"subscriptions":[{"pubsubname":"p"}],)"
                            R"("runtimeVersion":"1"})");
  runtime::StartWorkflowResponse started;
  started.set_instance_id("i");
  EXPECT_EQ(json(started), R"({"instanceID":"i"})");
}

TEST(Wire, AFieldOfALaterVersionSurvivesTheWayThroughUs) {
  const std::string sent = "\x0a\x01k\xfa\x7f\x03new";
  StateItem item;
  ASSERT_TRUE(item.ParseFromString(sent));
  EXPECT_EQ(item.SerializeAsString(), sent);
}

TEST(Wire, AMessageThatIsCutShortIsRefused) {
  StateItem item;
  item.set_key("key");
  item.mutable_etag()->set_value("etag");
  const std::string whole = item.SerializeAsString();
  EXPECT_FALSE(StateItem().ParseFromString(whole.substr(0, whole.size() - 1)));
  EXPECT_FALSE(StateItem().ParseFromString("\x0a\xff\xff\xff\xff\x0f"));  // A length of 4 GiB.
}

TEST(Wire, NestingWithoutEndIsRefusedBeforeTheStackIsFull) {
  std::string bytes;
  for (int depth = 0; depth < 1000; ++depth) {
    std::string outer = "\x22";  // TaskFailureDetails.innerFailure.
    for (std::size_t left = bytes.size(); outer.size() == 1 || left != 0; left >>= 7) {
      outer += static_cast<char>((left & 0x7f) | (left >> 7 != 0 ? 0x80 : 0));
    }
    bytes = outer + bytes;
  }
  EXPECT_FALSE(TaskFailureDetails().ParseFromString(bytes));
}

TEST(Wire, TextThatIsNotUtf8IsRefusedInAString) {
  EXPECT_FALSE(StateItem().ParseFromString("\x0a\x01\xff"));
  EXPECT_TRUE(StateItem().ParseFromString("\x12\x01\xff"));
}

}  // namespace
