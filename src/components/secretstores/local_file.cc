#include <cerrno>
#include <charconv>
#include <fstream>
#include <mutex>
#include <sstream>
#include <system_error>

#include "base/blocking_pool.h"
#include "base/json.h"
#include "components/component.h"
#include "components/secretstores/secret_store.h"

namespace outrigger::components::secretstores {
namespace {

struct Options {
  std::string file;
  std::string separator = ":";
  bool multi_valued = false;
};
constexpr Field<Options> kFields[] = {
    {{.name = "secretsFile", .required = true}, &Options::file},
    {{.name = "nestedSeparator"}, &Options::separator},
    {{.name = "multiValued"}, &Options::multi_valued},
};

using Secrets = std::map<std::string, Secret, std::less<>>;

/// Deeper files are refused, for they are walked by recursion.
constexpr int kDepthMax = 200;

std::unexpected<Error> bad_file() {
  return fail(Code::invalid_argument, "the secrets file is not a JSON object");
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  if (!in || in.bad()) {
    const std::string why = std::generic_category().message(errno == 0 ? EIO : errno);
    return fail(Code::not_found, "open " + path + ": " + why);
  }
  return std::move(out).str();
}

/// A number as Go's %v prints a float64.
std::string go_number(double value) {
  std::array<char, 400> text;
  const auto format = [&](std::chars_format form) {
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, form).ptr;
    return std::string(text.data(), end);
  };
  std::string scientific = format(std::chars_format::scientific);
  int exponent = 0;
  std::string_view digits = std::string_view(scientific).substr(scientific.find('e') + 1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  return exponent < -4 || exponent >= 6 ? scientific : format(std::chars_format::fixed);
}

/// The text of a value that is no object and no array. Applications have come to rely on what
/// upstream makes of numbers and the like: Go's %s with an operand of another type.
std::string text_of(std::string_view raw) {
  switch (json::type_of(raw)) {
    case json::Type::string: return json::string_value(raw).value_or(std::string());
    case json::Type::number:
      return "%!s(float64=" + go_number(json::double_value(raw).value_or(0)) + ")";
    case json::Type::boolean: return "%!s(bool=" + std::string(raw) + ")";
    default: return "%!s(<nil>)";
  }
}

/// Collects what an object contains as texts under their paths.
class Flattener {
 public:
  Flattener(std::string_view separator, Secret& out) : separator_(separator), out_(out) {}

  Result<> object(std::string_view raw, const std::string& path, int depth) {
    Result<> result;
    const bool ok = json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
      if (result) result = visit(value, path_of(path, key, depth), depth + 1);
    });
    if (!ok) return bad_file();
    return result;
  }

 private:
  Result<> visit(std::string_view raw, const std::string& path, int depth) {
    if (depth > kDepthMax) {
      return fail(Code::invalid_argument, "the secrets file is nested too deeply");
    }
    switch (json::type_of(raw)) {
      case json::Type::object: return object(raw, path, depth);
      case json::Type::array: return array(raw, path, depth);
      default: out_.insert_or_assign(path, text_of(raw)); return {};
    }
  }

  Result<> array(std::string_view raw, const std::string& path, int depth) {
    Result<> result;
    std::size_t index = 0;
    const bool ok = json::for_each_element(raw, [&](std::string_view value) {
      const std::string part = std::to_string(index++);
      if (result) result = visit(value, path_of(path, part, depth), depth + 1);
    });
    if (!ok) return bad_file();
    return result;
  }

  [[nodiscard]] std::string path_of(const std::string& path, std::string_view part,
                                    int depth) const {
    return depth == 0 ? std::string(part) : path + separator_ + std::string(part);
  }

  const std::string separator_;
  Secret& out_;
};

Result<Secrets> parse_flat(const Options& options, std::string_view text) {
  Secret flat;
  OUT_CHECK(Flattener(options.separator, flat).object(text, {}, 0));
  Secrets secrets;
  for (auto& [path, value] : flat) secrets[path].emplace(path, std::move(value));
  return secrets;
}

/// Each member of the file is a secret of its own; members that are neither text nor object are
/// left out, as upstream does.
Result<Secrets> parse_multi_valued(const Options& options, std::string_view text) {
  Secrets secrets;
  Result<> result;
  const bool ok = json::for_each_member(text, [&](std::string_view key, std::string_view value) {
    if (!result) return;
    Secret secret;
    if (json::type_of(value) == json::Type::string) {
      secret.emplace(key, text_of(value));
    } else if (json::type_of(value) == json::Type::object) {
      result = Flattener(options.separator, secret).object(value, {}, 0);
    } else {
      return;
    }
    secrets.insert_or_assign(std::string(key), std::move(secret));
  });
  if (!ok) return bad_file();
  if (!result) return fail(std::move(result).error());
  return secrets;
}

Result<Secrets> load(const Options& options) {
  OUT_TRY(const auto text, read_file(options.file));
  return options.multi_valued ? parse_multi_valued(options, text) : parse_flat(options, text);
}

/// What the instances share: the file as it was when the first of them read it.
struct Loaded {
  std::mutex mutex;
  std::shared_ptr<const Secrets> secrets;

  Result<std::shared_ptr<const Secrets>> get(const Options& options) {
    const std::lock_guard lock(mutex);
    if (secrets == nullptr) {
      OUT_TRY(auto read, load(options));
      secrets = std::make_shared<const Secrets>(std::move(read));
    }
    return secrets;
  }
};

class LocalFile final : public SecretStore {
 public:
  LocalFile(Options options, std::shared_ptr<Loaded> loaded)
      : options_(std::move(options)), loaded_(std::move(loaded)) {}

  Task<Result<>> init() override {
    using Answer = std::shared_ptr<const Secrets>;
    std::move_only_function<Result<Answer>()> work = [options = options_, loaded = loaded_] {
      return loaded->get(options);
    };
    OUT_CO_TRY(secrets_, co_await BlockingPool::shared().run<Answer>(std::move(work)));
    co_return Result<>();
  }

  Task<Result<Secret>> get(SecretRequest request) override {
    const auto found = secrets_->find(request.name);
    if (found == secrets_->end()) {
      co_return fail(Code::not_found, "secret " + request.name + " not found");
    }
    co_return found->second;
  }

  Task<Result<Secrets>> bulk_get(Properties) override { co_return *secrets_; }

  Task<void> close() override { co_return; }

  [[nodiscard]] Traits traits() const noexcept override {
    return {.several_keys_per_secret = options_.multi_valued};
  }

 private:
  Options options_;
  std::shared_ptr<Loaded> loaded_;
  std::shared_ptr<const Secrets> secrets_ = std::make_shared<const Secrets>();
};

}  // namespace

Result<std::unique_ptr<SecretStore>> make_local_file(const Metadata& metadata,
                                                     ComponentContext& context) {
  OUT_TRY(auto options, parse_fields<Options>(metadata, kFields));
  if (options.separator.empty()) options.separator = ":";
  std::move_only_function<Result<std::shared_ptr<Loaded>>()> make = [] {
    return std::make_shared<Loaded>();
  };
  OUT_TRY(auto loaded, context.shared<Loaded>(std::move(make)));
  return std::make_unique<LocalFile>(std::move(options), std::move(loaded));
}

std::vector<FieldInfo> local_file_fields() { return describe(kFields); }

}  // namespace outrigger::components::secretstores
