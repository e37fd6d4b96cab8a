#include "components/component.h"
#include "components/nameresolution/address_template.h"
#include "net/transport.h"

namespace outrigger::components::nameresolution {
namespace {

struct Options {
  std::string cluster_domain = "cluster.local";
  std::string address_template;
};
constexpr Field<Options> kFields[] = {
    {{.name = "clusterDomain"}, &Options::cluster_domain},
    {{.name = "template"}, &Options::address_template},
};

/// Names of the services that the operator makes for each app; the cluster's DNS does the rest.
class KubernetesResolver final : public Resolver, private MultiResolver {
 public:
  KubernetesResolver(std::string cluster_domain, std::optional<AddressTemplate> custom)
      : cluster_domain_(std::move(cluster_domain)), custom_(std::move(custom)) {}

  Task<Result<>> init(Instance) override { co_return Result<>(); }

  std::optional<std::string> resolve_now(const ResolveRequest& request) override {
    if (custom_) return custom_->expand(request);
    return request.id + "-dapr." + request.app_namespace + ".svc." + cluster_domain_ + ":" +
           std::to_string(request.port);
  }
  Task<Result<std::string>> resolve(ResolveRequest request) override {
    auto address = resolve_now(request);
    co_return std::move(*address);
  }

  void evict(std::string_view, std::string_view) override {}
  Task<void> close() override { co_return; }
  MultiResolver* multi() noexcept override { return this; }

 private:
  Task<Result<std::vector<std::string>>> resolve_many(ResolveRequest request) override {
    std::string host = *resolve_now(request);
    std::string port;
    const auto colon = host.rfind(':');
    if (colon != std::string::npos && colon + 1 < host.size()) {
      port = host.substr(colon);
      host.resize(colon);
    }
    auto found = co_await net::resolve(host);
    if (!found) {
      const std::string what = "failed to resolve address for '" + host + "'";
      co_return fail(std::move(found).error().context(what).with_code(Code::not_found));
    }
    std::vector<std::string> addresses;
    for (const auto& address : *found) {
      const bool ipv6 = address.contains(':');
      std::string one = ipv6 ? "[" + address + "]" : address;
      addresses.push_back(std::move(one.append(port)));
    }
    co_return addresses;
  }

  const std::string cluster_domain_;
  const std::optional<AddressTemplate> custom_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_kubernetes(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, parse_fields<Options>(metadata, kFields));
  if (options.cluster_domain.empty()) options.cluster_domain = Options().cluster_domain;
  std::optional<AddressTemplate> custom;
  if (!options.address_template.empty()) {
    OUT_TRY(custom, AddressTemplate::parse(options.address_template));
  }
  return std::make_unique<KubernetesResolver>(std::move(options.cluster_domain), std::move(custom));
}

std::vector<FieldInfo> kubernetes_fields() { return describe(kFields); }

}  // namespace outrigger::components::nameresolution
