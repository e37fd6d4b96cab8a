#include "control/scheduler/etcd_members.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "scheduler_store/leadership.pb.h"

namespace outrigger::control::scheduler {

std::string encode(const Membership& membership) {
  dapr::proto::scheduler::v1::Host host;
  host.set_address(membership.address);
  cron::stored::Leadership record;
  record.set_total(membership.total);
  record.set_uid(membership.uid);
  record.mutable_replica_data()->PackFrom(host);
  return record.SerializeAsString();
}

Result<Membership> decode_membership(std::string_view bytes) {
  cron::stored::Leadership record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::data_loss, "not a record of a replica");
  }
  Membership membership{.total = record.total(), .uid = record.uid(), .address = {}};
  dapr::proto::scheduler::v1::Host host;
  if (record.has_replica_data() && record.replica_data().UnpackTo(&host)) {
    membership.address = host.address();
  }
  return membership;
}

}  // namespace outrigger::control::scheduler
