#include "runtime/api/access.h"

namespace outrigger::runtime::api {
namespace {

struct MethodSet {
  std::string_view key;  ///< "<version>/<name>".
  std::vector<std::string_view> methods;
};

/// The gRPC methods behind each name of the lists; there is no workflows of v1 upstream either.
const std::vector<MethodSet>& method_sets() {
  static const std::vector<MethodSet> sets = {
      {"v1/invoke", {"InvokeService"}},
      {"v1/state",
       {"GetState", "GetBulkState", "SaveState", "DeleteState", "DeleteBulkState",
        "ExecuteStateTransaction"}},
      {"v1alpha1/state", {"QueryStateAlpha1"}},
      {"v1/publish", {"PublishEvent", "BulkPublishEvent"}},
      {"v1alpha1/publish", {"BulkPublishEventAlpha1"}},
      {"v1/bindings", {"InvokeBinding"}},
      {"v1/secrets", {"GetSecret", "GetBulkSecret"}},
      {"v1/actors",
       {"RegisterActorTimer", "UnregisterActorTimer", "RegisterActorReminder", "GetActorReminder",
        "UnregisterActorReminder", "UnregisterActorRemindersByType", "ListActorReminders",
        "GetActorState", "ExecuteActorStateTransaction", "InvokeActor"}},
      {"v1alpha1/actors", {"SubscribeActorEventsAlpha1"}},
      {"v1/metadata", {"GetMetadata", "SetMetadata"}},
      {"v1alpha1/configuration",
       {"GetConfigurationAlpha1", "SubscribeConfigurationAlpha1",
        "UnsubscribeConfigurationAlpha1"}},
      {"v1/configuration",
       {"GetConfiguration", "SubscribeConfiguration", "UnsubscribeConfiguration"}},
      {"v1alpha1/lock", {"TryLockAlpha1"}},
      {"v1alpha1/unlock", {"UnlockAlpha1"}},
      {"v1alpha1/subtlecrypto",
       {"SubtleGetKeyAlpha1", "SubtleEncryptAlpha1", "SubtleDecryptAlpha1", "SubtleSignAlpha1",
        "SubtleVerifyAlpha1", "SubtleWrapKeyAlpha1", "SubtleUnwrapKeyAlpha1"}},
      {"v1alpha1/crypto", {"EncryptAlpha1", "DecryptAlpha1"}},
      {"v1alpha1/workflows",
       {"StartWorkflowAlpha1", "GetWorkflowAlpha1", "TerminateWorkflowAlpha1",
        "RaiseEventWorkflowAlpha1", "PurgeWorkflowAlpha1", "PauseWorkflowAlpha1",
        "ResumeWorkflowAlpha1"}},
      {"v1beta1/workflows",
       {"StartWorkflowBeta1", "GetWorkflowBeta1", "TerminateWorkflowBeta1",
        "RaiseEventWorkflowBeta1", "PurgeWorkflowBeta1", "PauseWorkflowBeta1",
        "ResumeWorkflowBeta1"}},
      {"v1alpha1/jobs",
       {"ScheduleJobAlpha1", "DeleteJobAlpha1", "GetJobAlpha1", "DeleteJobsByPrefixAlpha1",
        "ListJobsAlpha1"}},
      {"v1/jobs", {"ScheduleJob", "DeleteJob", "GetJob", "DeleteJobsByPrefix", "ListJobs"}},
      {"v1/shutdown", {"Shutdown"}},
      {"v1alpha1/subscribe", {"SubscribeTopicEventsAlpha1"}},
      {"v1alpha1/conversation", {"ConverseAlpha1"}},
      {"v1alpha2/conversation", {"ConverseAlpha2"}},
  };
  return sets;
}

constexpr std::string_view kRuntimePrefix = "/dapr.proto.runtime.";

std::set<std::string, std::less<>> methods_of(const std::vector<resources::ApiRule>& rules) {
  const std::set<std::string> keys = resources::api_keys(rules, "grpc");
  std::set<std::string, std::less<>> methods;
  for (const MethodSet& set : method_sets()) {
    if (!keys.contains(std::string(set.key))) continue;
    for (const std::string_view method : set.methods) {
      methods.insert(std::string(kRuntimePrefix) + "v1.Dapr/" + std::string(method));
    }
  }
  return methods;
}

/// By group, or in the old form by the beginning of the path: "v1.0/state".
bool listed(const std::set<std::string>& keys, const Route& route) {
  if (keys.contains(route.version + "/" + route.group)) return true;
  const std::string_view path = std::string_view(route.pattern).substr(1);
  for (const std::string& key : keys) {
    if (!path.starts_with(key)) continue;
    if (path.size() == key.size() || path[key.size()] == '/') return true;
  }
  return false;
}

}  // namespace

HttpAccess::HttpAccess(const std::vector<resources::ApiRule>& allowed,
                       const std::vector<resources::ApiRule>& denied)
    : allowed_(resources::api_keys(allowed, "http")),
      denied_(resources::api_keys(denied, "http")) {}

bool HttpAccess::allows(const Route& route) const {
  if (route.always_allowed) return true;
  if (listed(denied_, route)) return false;
  return allowed_.empty() || listed(allowed_, route);
}

GrpcAccess::GrpcAccess(const std::vector<resources::ApiRule>& allowed,
                       const std::vector<resources::ApiRule>& denied)
    : allowed_(methods_of(allowed)), denied_(methods_of(denied)) {
  restricted_ = !allowed_.empty() || !denied_.empty();
}

bool GrpcAccess::allows(std::string_view method) const {
  if (!restricted_ || !method.starts_with(kRuntimePrefix)) return true;
  if (denied_.contains(method)) return false;
  return allowed_.empty() || allowed_.contains(method);
}

}  // namespace outrigger::runtime::api
