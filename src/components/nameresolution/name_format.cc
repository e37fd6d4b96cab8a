#include "base/strings.h"
#include "components/component.h"
#include "components/nameresolution/resolver.h"

namespace outrigger::components::nameresolution {
namespace {

constexpr std::string_view kPlaceholder = "{appid}";

struct Options {
  std::string format;
};
constexpr Field<Options> kFields[] = {{{.name = "format"}, &Options::format}};

class NameFormatResolver final : public Resolver {
 public:
  explicit NameFormatResolver(std::string format) : format_(std::move(format)) {}

  Task<Result<>> init(Instance) override { co_return Result<>(); }

  std::optional<std::string> resolve_now(const ResolveRequest& request) override {
    if (request.id.empty()) return std::nullopt;
    return replace_all(format_, kPlaceholder, request.id);
  }
  Task<Result<std::string>> resolve(ResolveRequest request) override {
    auto address = resolve_now(request);
    if (!address) co_return fail(Code::invalid_argument, "empty ID not allowed");
    co_return std::move(*address);
  }

  void evict(std::string_view, std::string_view) override {}
  Task<void> close() override { co_return; }

 private:
  const std::string format_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_name_format(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, parse_fields<Options>(metadata, kFields));
  if (options.format.empty()) {
    return fail(Code::invalid_argument, "format is required in metadata");
  }
  if (!options.format.contains(kPlaceholder)) {
    return fail(Code::invalid_argument, "format must contain {appid} placeholder");
  }
  return std::make_unique<NameFormatResolver>(std::move(options.format));
}

std::vector<FieldInfo> name_format_fields() {
  auto fields = describe(kFields);
  fields[0].required = true;  // Its absence has upstream's own message above.
  return fields;
}

}  // namespace outrigger::components::nameresolution
