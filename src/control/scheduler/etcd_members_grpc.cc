#include "control/scheduler/etcd_members.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "scheduler_store/leadership.pb.h"

namespace outrigger::control::scheduler {

namespace {

// A field that upstream's record has not, and its programs pass over: whoever sets it says anew
// what it sees at each change, not only when the number changes; from kExact on it says who the
// replicas are, if all do.
constexpr int kManner = 1000;
constexpr std::uint64_t kExact = 2;

}  // namespace

std::string encode(const Membership& membership) {
  dapr::proto::scheduler::v1::Host host;
  host.set_address(membership.address);
  cron::stored::Leadership record;
  record.set_total(membership.says);
  record.set_uid(membership.uid);
  record.mutable_replica_data()->PackFrom(host);
  record.GetReflection()->MutableUnknownFields(&record)->AddVarint(kManner, kExact);
  return record.SerializeAsString();
}

Result<EtcdMember> decode_member(std::string_view bytes) {
  cron::stored::Leadership record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::data_loss, "not a record of a replica");
  }
  EtcdMember member;
  member.membership.says = record.total();
  member.membership.uid = record.uid();
  dapr::proto::scheduler::v1::Host host;
  if (record.has_replica_data() && record.replica_data().UnpackTo(&host)) {
    member.membership.address = host.address();
  }
  const auto& unknown = record.GetReflection()->GetUnknownFields(record);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const auto& field = unknown.field(i);
    if (field.number() != kManner || field.type() != google::protobuf::UnknownField::TYPE_VARINT) {
      continue;
    }
    member.repeats = true;
    member.exact = field.varint() >= kExact;
  }
  return member;
}

}  // namespace outrigger::control::scheduler
