#include "components/middleware/http_wasm.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "net/uri.h"

namespace outrigger::components::middleware::http_wasm {
namespace {

using wasm::FunctionType;
using wasm::Instance;
using wasm::ValueType;
using Slots = std::span<std::uint64_t>;

const Logger log("dapr.contrib");

// What a guest may write into a body.
constexpr std::size_t kBodyBytesMax = 32U << 20;
// Of a method, target, name or value, and how many fields: twice what servers take.
constexpr std::uint32_t kTextBytesMax = 128U << 10;
constexpr std::size_t kFieldsMax = 1'000;
// Of all fields of a head together.
constexpr std::size_t kHeadBytesMax = 1U << 20;

std::uint32_t low(std::uint64_t slot) { return static_cast<std::uint32_t>(slot); }
std::uint64_t pair(std::uint64_t high, std::uint64_t value) { return high << 32 | value; }

Error wrong(std::string text) { return {Code::aborted, std::move(text)}; }

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < '\x7f' &&
           std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
  });
}
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  });
}

/// Writes what fits into `limit` bytes, and says how long it is either way.
Result<> give(Instance& instance, Slots slots, std::uint64_t at, std::uint64_t limit,
              std::string_view text) {
  if (text.size() <= low(limit) && !text.empty()) {
    OUT_CHECK(instance.write(low(at), text));
  }
  slots[0] = text.size();
  return {};
}
Result<> give_list(Instance& instance, Slots slots, std::uint64_t at, std::uint64_t limit,
                   const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    text += item;
    text += '\0';
  }
  if (text.size() <= low(limit) && !text.empty()) {
    OUT_CHECK(instance.write(low(at), text));
  }
  slots[0] = pair(items.size(), text.size());
  return {};
}

bool enabled(std::int32_t level) {
  switch (level) {
    case -1: return log.enabled(LogLevel::debug);
    case 0: return log.enabled(LogLevel::info);
    case 1: return log.enabled(LogLevel::warn);
    case 2: return log.enabled(LogLevel::error);
    default: return false;
  }
}
void write_log(std::int32_t level, std::string_view text) {
  switch (level) {
    case -1: return log.debug(text);
    case 0: return log.info(text);
    case 1: return log.warn(text);
    case 2: return log.error(text);
    default: return;
  }
}

enum HeaderKind : std::uint32_t {
  of_request = 0,
  of_response = 1,
  of_request_trailers = 2,
  of_response_trailers = 3
};

}  // namespace

/// The functions of the ABI. Slots are their arguments, and take the result.
struct Guest::Calls {
  using Call = Result<> (*)(Guest& guest, Instance& instance, Slots slots);

  static Result<Exchange*> exchange(Guest& guest) {
    if (guest.exchange_ != nullptr) return guest.exchange_;
    return std::unexpected(wrong("there is no request yet"));
  }
  static Result<> before_next(const Exchange& exchange, std::string_view what) {
    if (!exchange.after_next) return {};
    return std::unexpected(wrong("can't " + std::string(what) + " after next handler"));
  }
  static Result<> changes_response(const Guest& guest, const Exchange& exchange,
                                   std::string_view what) {
    if (!exchange.after_next || guest.wants(buffer_response)) return {};
    return std::unexpected(wrong("can't " + std::string(what) +
                                 " after next handler unless buffer_response is enabled"));
  }

  static Result<> enable_features(Guest& guest, Instance&, Slots slots) {
    guest.features_ |= low(slots[0]) & (buffer_request | buffer_response | trailers);
    slots[0] = guest.features_;
    return {};
  }
  static Result<> get_config(Guest& guest, Instance& instance, Slots slots) {
    return give(instance, slots, slots[0], slots[1], guest.options_->guest_config);
  }
  static Result<> log_enabled(Guest&, Instance&, Slots slots) {
    slots[0] = enabled(static_cast<std::int32_t>(low(slots[0]))) ? 1 : 0;
    return {};
  }
  static Result<> write_to_log(Guest&, Instance& instance, Slots slots) {
    const auto level = static_cast<std::int32_t>(low(slots[0]));
    if (!enabled(level)) return {};
    OUT_TRY(const auto text, instance.read(low(slots[1]), low(slots[2])));
    write_log(level, text);
    return {};
  }

  static Result<> get_method(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(const auto* one, exchange(guest));
    return give(instance, slots, slots[0], slots[1], one->request.method);
  }
  static Result<std::string> text(Instance& instance, std::uint64_t at, std::uint64_t bytes) {
    if (low(bytes) <= kTextBytesMax) return instance.read(low(at), low(bytes));
    return std::unexpected(wrong("the guest writes more than 128 KiB into a head"));
  }
  static Result<> set_method(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    OUT_CHECK(before_next(*one, "set method"));
    OUT_TRY(auto method, text(instance, slots[0], slots[1]));
    if (!is_token(method)) return std::unexpected(wrong("HTTP method cannot be " + method));
    one->request.method = std::move(method);
    return {};
  }
  static Result<> get_uri(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(const auto* one, exchange(guest));
    return give(instance, slots, slots[0], slots[1], one->request.target);
  }
  static Result<> set_uri(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    OUT_CHECK(before_next(*one, "set uri"));
    OUT_TRY(auto uri, text(instance, slots[0], slots[1]));
    if (uri.empty()) uri = "/";
    const bool plain = uri.starts_with('/') &&
                       std::ranges::all_of(uri, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!plain) return std::unexpected(wrong("invalid URI for request"));
    one->request.target = std::move(uri);
    return {};
  }
  static Result<> get_protocol_version(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(const auto* one, exchange(guest));
    const char* version = "HTTP/1.1";
    if (one->request.version == net::HttpVersion::http10) version = "HTTP/1.0";
    if (one->request.version == net::HttpVersion::http2) version = "HTTP/2.0";
    return give(instance, slots, slots[0], slots[1], version);
  }
  static Result<> get_source_addr(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(const auto* one, exchange(guest));
    return give(instance, slots, slots[0], slots[1], one->source_address);
  }

  static Result<net::Headers*> headers(Exchange& one, std::uint64_t kind) {
    switch (low(kind)) {
      case of_request: return &one.request.headers;
      case of_response: return &one.response.headers;
      case of_request_trailers: return &one.request.body.trailers;
      case of_response_trailers: return &one.response.body.trailers;
      default: return std::unexpected(wrong("unsupported header kind"));
    }
  }
  /// Those that the guest may change now.
  static Result<net::Headers*> mutable_headers(Guest& guest, std::uint64_t kind) {
    OUT_TRY(auto* one, exchange(guest));
    if (low(kind) == of_request || low(kind) == of_request_trailers) {
      OUT_CHECK(before_next(*one, "change request headers"));
    } else {
      OUT_CHECK(changes_response(guest, *one, "change response headers"));
    }
    return headers(*one, kind);
  }
  static Result<std::string> name(Instance& instance, std::uint64_t at, std::uint64_t bytes) {
    OUT_TRY(auto given, text(instance, at, bytes));
    if (is_token(given)) return given;
    return std::unexpected(wrong("HTTP header name cannot be " + quoted(given.substr(0, 100))));
  }
  static Result<std::string> value(Instance& instance, std::uint64_t at, std::uint64_t bytes) {
    OUT_TRY(auto given, text(instance, at, bytes));
    if (is_field_value(given)) return given;
    return std::unexpected(wrong("HTTP header value has control characters"));
  }
  /// Without the fields of the name `replaced`.
  static Result<> has_room(const net::Headers& fields, std::size_t more,
                           std::string_view replaced = {}) {
    std::size_t count = 0;
    for (const auto field : fields) {
      if (net::iequals(field.name, replaced)) continue;
      more += field.name.size() + field.value.size();
      ++count;
    }
    if (count >= kFieldsMax) {
      return std::unexpected(wrong("the guest writes more than 1000 header fields"));
    }
    if (more <= kHeadBytesMax) return {};
    return std::unexpected(wrong("the guest writes more than 1 MiB of header fields"));
  }
  static Result<> get_header_names(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    OUT_TRY(const auto* fields, headers(*one, slots[0]));
    std::set<std::string> names;
    for (const auto field : *fields) names.insert(to_lower(field.name));
    if (low(slots[0]) == of_request && !one->request.authority.empty()) names.insert("host");
    return give_list(instance, slots, slots[1], slots[2], {names.begin(), names.end()});
  }
  static Result<> get_header_values(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    OUT_TRY(const auto* fields, headers(*one, slots[0]));
    OUT_TRY(const auto wanted, name(instance, slots[1], slots[2]));
    std::vector<std::string> values;
    const bool host = low(slots[0]) == of_request && net::iequals(wanted, "host");
    if (host) values.push_back(one->request.authority);
    for (const auto field : *fields) {
      if (!host && net::iequals(field.name, wanted)) values.emplace_back(field.value);
    }
    return give_list(instance, slots, slots[3], slots[4], values);
  }
  static Result<> set_header_value(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* fields, mutable_headers(guest, slots[0]));
    OUT_TRY(const auto wanted, name(instance, slots[1], slots[2]));
    OUT_TRY(const auto given, value(instance, slots[3], slots[4]));
    OUT_CHECK(has_room(*fields, wanted.size() + given.size(), wanted));
    fields->set(wanted, given);
    return {};
  }
  static Result<> add_header_value(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* fields, mutable_headers(guest, slots[0]));
    OUT_TRY(const auto wanted, name(instance, slots[1], slots[2]));
    OUT_TRY(const auto given, value(instance, slots[3], slots[4]));
    OUT_CHECK(has_room(*fields, wanted.size() + given.size()));
    fields->add(wanted, given);
    return {};
  }
  static Result<> remove_header(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* fields, mutable_headers(guest, slots[0]));
    OUT_TRY(const auto wanted, name(instance, slots[1], slots[2]));
    fields->remove(wanted);
    return {};
  }

  static Result<> read_body(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    const bool request = low(slots[0]) == 0;
    if (low(slots[0]) > 1) return std::unexpected(wrong("unsupported body kind"));
    if (low(slots[2]) == 0) return std::unexpected(wrong("buf_limit==0 reading body"));
    if (one->after_next && !guest.wants(request ? buffer_request : buffer_response)) {
      return std::unexpected(wrong("can't read a body after next handler unless it is buffered"));
    }
    const std::string& body = request ? one->request.body.whole : one->response.body.whole;
    std::size_t& done = request ? one->request_read : one->response_read;
    const std::string_view rest = std::string_view(body).substr(std::min(done, body.size()));
    const std::string_view part = rest.substr(0, low(slots[2]));
    OUT_CHECK(instance.write(low(slots[1]), part));
    done += part.size();
    // The end is told when there was room for more.
    slots[0] = pair(part.size() < low(slots[2]) ? 1 : 0, part.size());
    return {};
  }
  static Result<> write_body(Guest& guest, Instance& instance, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    if (low(slots[0]) > 1) return std::unexpected(wrong("unsupported body kind"));
    const bool request = low(slots[0]) == 0;
    OUT_CHECK(request ? before_next(*one, "write request body")
                      : changes_response(guest, *one, "write response body"));
    OUT_TRY(const auto part, instance.read(low(slots[1]), low(slots[2])));
    std::string& body = request ? one->request.body.whole : one->response.body.whole;
    bool& written = request ? one->request_written : one->response_written;
    if (!std::exchange(written, true)) body.clear();
    if (body.size() + part.size() > kBodyBytesMax) {
      return std::unexpected(wrong("the guest writes a body of more than 32 MiB"));
    }
    body += part;
    return {};
  }

  static Result<> get_status_code(Guest& guest, Instance&, Slots slots) {
    OUT_TRY(const auto* one, exchange(guest));
    slots[0] = static_cast<std::uint64_t>(one->response.status);
    return {};
  }
  static Result<> set_status_code(Guest& guest, Instance&, Slots slots) {
    OUT_TRY(auto* one, exchange(guest));
    OUT_CHECK(changes_response(guest, *one, "set status code"));
    const std::uint32_t status = low(slots[0]);
    if (status < 200 || status > 599) return std::unexpected(wrong("invalid status code"));
    one->response.status = static_cast<int>(status);
    return {};
  }

  struct Row {
    std::string_view name;
    unsigned parameters;      // All of them i32.
    std::string_view result;  // "", "i32" or "i64".
    Call call;
  };
  static const Row kRows[];
};

constexpr Guest::Calls::Row Guest::Calls::kRows[] = {
    {"enable_features", 1, "i32", &enable_features},
    {"get_config", 2, "i32", &get_config},
    {"log_enabled", 1, "i32", &log_enabled},
    {"log", 3, "", &write_to_log},
    {"get_method", 2, "i32", &get_method},
    {"set_method", 2, "", &set_method},
    {"get_uri", 2, "i32", &get_uri},
    {"set_uri", 2, "", &set_uri},
    {"get_protocol_version", 2, "i32", &get_protocol_version},
    {"get_header_names", 3, "i64", &get_header_names},
    {"get_header_values", 5, "i64", &get_header_values},
    {"set_header_value", 5, "", &set_header_value},
    {"add_header_value", 5, "", &add_header_value},
    {"remove_header", 3, "", &remove_header},
    {"read_body", 3, "i64", &read_body},
    {"write_body", 3, "", &write_body},
    {"get_status_code", 0, "i32", &get_status_code},
    {"set_status_code", 1, "", &set_status_code},
    {"get_source_addr", 2, "i32", &get_source_addr},
};

namespace {

FunctionType type_of(unsigned parameters, std::string_view result) {
  FunctionType type;
  type.params.assign(parameters, ValueType::i32);
  if (result == "i32") type.results = {ValueType::i32};
  if (result == "i64") type.results = {ValueType::i64};
  return type;
}

Result<> check_export(const wasm::Module& module, std::string_view name, const FunctionType& type,
                      std::string_view signature) {
  const auto* found = module.find_export(name, wasm::Kind::function);
  const std::string function = "func[" + std::string(name) + "]";
  if (found == nullptr) {
    return fail(Code::invalid_argument, "wasm: guest doesn't export " + function);
  }
  if (module.type_of_function(found->index) == type) return {};
  return fail(Code::invalid_argument, "wasm: guest exports the wrong signature for " + function +
                                          ". should be " + std::string(signature));
}

}  // namespace

Guest::Guest(std::shared_ptr<const Options> options) : options_(std::move(options)) {
  wasi_.strict_sandbox = options_->strict_sandbox;
  wasi_.output = [](int stream, std::string_view text) {
    log.debug(stream == 1 ? "wasm stdout: " : "wasm stderr: ", text);
  };
}
Guest::~Guest() = default;

wasm::HostFunction Guest::find(const wasm::ImportedFunction& import, const FunctionType& type) {
  if (import.module == "wasi_snapshot_preview1") return wasi_.find(import.name, type);
  if (import.module != "http_handler") return nullptr;
  const auto* row = std::ranges::find(Calls::kRows, import.name, &Calls::Row::name);
  if (row == std::end(Calls::kRows) || type != type_of(row->parameters, row->result)) {
    return nullptr;
  }
  return [this, call = row->call](Instance& instance, Slots slots) {
    return call(*this, instance, slots);
  };
}

Result<std::unique_ptr<Guest>> Guest::make(std::shared_ptr<const wasm::Module> module,
                                           std::shared_ptr<const Options> options) {
  OUT_CHECK(check_export(*module, "handle_request", type_of(0, "i64"), "() -> (i64)"));
  OUT_CHECK(check_export(*module, "handle_response", type_of(2, ""), "(i32, 32) -> ()"));
  if (module->find_export("memory", wasm::Kind::memory) == nullptr) {
    return fail(Code::invalid_argument, "wasm: guest doesn't export memory[memory]");
  }
  std::unique_ptr<Guest> guest(new Guest(std::move(options)));
  auto made = Instance::make(module, *guest, guest->options_->allowance);
  if (!made) {
    return std::unexpected(std::move(made).error().context("wasm: error instantiating guest"));
  }
  guest->instance_ = *std::move(made);
  for (const std::string_view start : {"_start", "_initialize"}) {
    if (module->find_export(start, wasm::Kind::function) == nullptr) continue;
    auto started = guest->instance_->call(start, {});
    const bool well = started || started.error().message() == std::string(wasm::kExitMessage) + "0";
    if (!well) {
      return std::unexpected(std::move(started).error().context("wasm: error instantiating guest"));
    }
    break;
  }
  guest->features_of_all_ = guest->features_;
  return guest;
}

bool Guest::reads_bodies(const wasm::Module& module) noexcept {
  return std::ranges::any_of(module.imports, [](const wasm::ImportedFunction& import) {
    return import.module == "http_handler" && import.name == "read_body";
  });
}

Result<Guest::Verdict> Guest::handle_request(Exchange& exchange) {
  features_ = features_of_all_;
  exchange_ = &exchange;
  auto results = instance_->call("handle_request", {});
  exchange_ = nullptr;
  if (!results) return std::unexpected(std::move(results).error());
  return Verdict{.next = low(results->at(0)) != 0, .context = low(results->at(0) >> 32)};
}

Result<> Guest::handle_response(Exchange& exchange, std::uint32_t context, bool failed) {
  exchange.after_next = true;
  exchange_ = &exchange;
  const auto results = instance_->call("handle_response", {context, failed ? 1U : 0U});
  exchange_ = nullptr;
  if (!results) return std::unexpected(results.error());
  return {};
}

}  // namespace outrigger::components::middleware::http_wasm
