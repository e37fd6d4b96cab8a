#include "runtime/state/http_body.h"

#include "base/json.h"
#include "runtime/state/json_error.h"
#include "runtime/state/json_value.h"

namespace outrigger::runtime::state {
namespace {

using json::Type;

/// Where in upstream's structs a value belongs, for messages: "SetRequest" and
/// "options.Concurrency".
struct Place {
  std::string_view structure;
  std::string_view field;
};

/// Reads members, and remembers the first value that is of another type than its field.
class Decoder {
 public:
  void wrong_type(std::string_view found, Place place, std::string_view type) {
    if (error_) return;
    std::string where = place.structure.empty() ? "Go value" : "Go struct field ";
    if (!place.structure.empty()) where.append(place.structure).append(".").append(place.field);
    error_ = "json: cannot unmarshal " + std::string(found) + " into " + where + " of type " +
             std::string(type);
  }
  /// Whether the value is there and an object or array as it must be; null is neither.
  bool is(Type wanted, std::string_view raw, Place place, std::string_view type) {
    const Type found = json::type_of(raw);
    if (found == wanted) return true;
    if (found != Type::null) wrong_type(name_of(found), place, type);
    return false;
  }
  void text(std::string_view raw, Place place, std::string& out) {
    if (!is(Type::string, raw, place, "string")) return;
    if (auto value = json::string_value(raw)) out = *std::move(value);
  }
  void text(std::string_view raw, Place place, std::optional<std::string>& out) {
    if (json::type_of(raw) == Type::null) {
      out.reset();
    } else {
      text(raw, place, out.emplace());
    }
  }
  void number(std::string_view raw, Place place, std::int64_t& out) {
    if (!is(Type::number, raw, place, "int")) return;
    const auto value = json::int_value(raw);
    if (!value) return wrong_type("number " + std::string(raw), place, "int");
    out = *value;
  }
  void texts(std::string_view raw, Place place, Properties& out) {
    if (json::type_of(raw) == Type::null) out.clear();
    if (!is(Type::object, raw, place, "map[string]string")) return;
    json::ObjectReader members(raw);
    while (members.next()) text(members.value(), place, out[std::string(members.key())]);
  }
  void value(std::string_view raw, Place place, std::string& out) {
    out.clear();
    std::string_view number;
    if (append_value(out, raw, number)) return;
    wrong_type("number " + std::string(number), place, "float64");
  }

  [[nodiscard]] Result<> done() {
    if (error_) return fail(Code::invalid_argument, *std::move(error_));
    return {};
  }

 private:
  static std::string_view name_of(Type type) noexcept {
    switch (type) {
      case Type::boolean: return "bool";
      case Type::number: return "number";
      case Type::string: return "string";
      case Type::array: return "array";
      default: return "object";
    }
  }
  std::optional<std::string> error_;
};

/// What is wrong with the text as JSON; else the value it begins with.
Result<std::string_view> first_value(std::string_view body) {
  if (auto value = json::first_value(body)) return *value;
  auto message = json_syntax_error(body, JsonExtent::first_value);
  return fail(Code::invalid_argument, message.value_or("unexpected EOF"));
}

struct Options {
  std::string concurrency, consistency;
};

void put_options(const Options& options, Save& save) {
  auto concurrency = stores::parse_concurrency(options.concurrency);
  auto consistency = stores::parse_consistency(options.consistency);
  if (!concurrency) {
    save.refusal = std::move(concurrency).error();
  } else if (!consistency) {
    save.refusal = std::move(consistency).error();
  } else {
    save.request.concurrency = *concurrency;
    save.request.consistency = *consistency;
  }
}

Save read_save(Decoder& decoder, std::string_view raw) {
  Save save;
  save.request.kind = stores::ValueKind::json;
  save.request.value = "null";  // What upstream stores if there is none.
  // While no member is being read, upstream's decoder knows no struct.
  if (!decoder.is(Type::object, raw, {}, "state.SetRequest")) return save;
  Options options;
  json::ObjectReader members(raw);
  while (members.next()) {
    const std::string_view value = members.value();
    if (members.key_is("key")) {
      decoder.text(value, {"SetRequest", "key"}, save.request.key);
    } else if (members.key_is("value")) {
      decoder.value(value, {"SetRequest", "value"}, save.request.value);
    } else if (members.key_is("etag")) {
      decoder.text(value, {"SetRequest", "etag"}, save.request.etag);
    } else if (members.key_is("metadata")) {
      decoder.texts(value, {"SetRequest", "metadata"}, save.request.metadata);
    } else if (members.key_is("contentType")) {
      decoder.text(value, {"SetRequest", "contentType"}, save.request.content_type);
    } else if (members.key_is("options") &&
               decoder.is(Type::object, value, {"SetRequest", "options"}, "state.SetStateOption")) {
      json::ObjectReader fields(value);
      while (fields.next()) {
        if (fields.key_is("Concurrency")) {
          decoder.text(fields.value(), {"SetStateOption", "options.Concurrency"},
                       options.concurrency);
        } else if (fields.key_is("Consistency")) {
          decoder.text(fields.value(), {"SetStateOption", "options.Consistency"},
                       options.consistency);
        }
      }
    }
  }
  put_options(options, save);
  return save;
}

/// Reads the request of one operation in the words of upstream's second decoder, mapstructure.
class RequestReader {
 public:
  void text(std::string_view raw, const std::string& name, std::string& out) {
    if (json::type_of(raw) == Type::null) return;
    if (auto value = json::string_value(raw)) {
      out = *std::move(value);
      return;
    }
    errors_.push_back("'" + name + "' expected type 'string', got unconvertible type '" +
                      std::string(go_type(raw)) + "', value: '" + std::string(raw) + "'");
  }
  void text(std::string_view raw, const std::string& name, std::optional<std::string>& out) {
    if (json::type_of(raw) != Type::null) text(raw, name, out.emplace());
  }
  void texts(std::string_view raw, const std::string& name, Properties& out) {
    if (!is_map(raw, name)) return;
    json::ObjectReader members(raw);
    while (members.next()) {
      const std::string key(members.key());
      text(members.value(), name + "[" + key + "]", out[key]);
    }
  }
  bool is_map(std::string_view raw, const std::string& name) {
    const Type type = json::type_of(raw);
    if (type == Type::object) return true;
    if (type != Type::null) {
      errors_.push_back("'" + name + "' expected a map, got '" + std::string(go_kind(raw)) + "'");
    }
    return false;
  }
  /// nullopt if nothing was wrong.
  [[nodiscard]] std::optional<std::string> error() const {
    if (errors_.empty()) return std::nullopt;
    // What is wrong with the request as a whole is not counted.
    if (errors_.front().starts_with("''")) return errors_.front();
    std::vector<std::string> sorted = errors_;
    std::ranges::sort(sorted);
    std::string message = std::to_string(sorted.size()) + " error(s) decoding:\n\n";
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (i > 0) message += '\n';
      message += "* " + sorted[i];
    }
    return message;
  }

 private:
  static std::string_view go_type(std::string_view raw) noexcept {
    switch (json::type_of(raw)) {
      case Type::boolean: return "bool";
      case Type::number: return "float64";
      case Type::array: return "[]interface {}";
      case Type::object: return "map[string]interface {}";
      default: return "string";
    }
  }
  static std::string_view go_kind(std::string_view raw) noexcept {
    switch (json::type_of(raw)) {
      case Type::array: return "slice";
      case Type::object: return "map";
      default: return go_type(raw);
    }
  }
  std::vector<std::string> errors_;
};

TransactionStep malformed(const std::string& why) {
  return MalformedOperation{
      simple_error(400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: " + why)};
}

/// A deletion is read as a save too: it has a part of its fields.
TransactionStep read_step(const std::string& operation, std::string_view raw) {
  if (operation != "upsert" && operation != "delete") return UnknownOperation{operation, ""};
  const bool upsert = operation == "upsert";
  RequestReader reader;
  Save save;
  save.request.kind = stores::ValueKind::json;
  save.request.value = "null";
  Options options;
  if (!raw.empty() && reader.is_map(raw, "")) {
    json::ObjectReader members(raw);
    while (members.next()) {
      const std::string_view value = members.value();
      if (members.key_is("key")) {
        reader.text(value, "Key", save.request.key);
      } else if (members.key_is("value") && upsert) {
        save.request.value = value;  // Was rewritten when the body was read.
      } else if (members.key_is("etag")) {
        reader.text(value, "ETag", save.request.etag);
      } else if (members.key_is("metadata")) {
        reader.texts(value, "Metadata", save.request.metadata);
      } else if (members.key_is("contentType") && upsert) {
        reader.text(value, "ContentType", save.request.content_type);
      } else if (members.key_is("options") && reader.is_map(value, "Options")) {
        json::ObjectReader fields(value);
        while (fields.next()) {
          if (fields.key_is("concurrency")) {
            reader.text(fields.value(), "Options.Concurrency", options.concurrency);
          } else if (fields.key_is("consistency")) {
            reader.text(fields.value(), "Options.Consistency", options.consistency);
          }
        }
      }
    }
  }
  if (const auto error = reader.error()) return malformed(*error);
  put_options(options, save);
  if (upsert) return save;
  Remove remove;
  remove.request.key = std::move(save.request.key);
  remove.request.etag = std::move(save.request.etag);
  remove.request.concurrency = save.request.concurrency;
  remove.request.consistency = save.request.consistency;
  remove.request.metadata = std::move(save.request.metadata);
  remove.refusal = std::move(save.refusal);
  return remove;
}

constexpr std::string_view kOperation = "stateTransactionRequestBodyOperation";
constexpr std::string_view kTransaction = "stateTransactionRequestBody";

TransactionStep read_operation(Decoder& decoder, std::string_view raw) {
  std::string operation;
  std::string request;
  if (decoder.is(Type::object, raw, {kTransaction, "operations"},
                 "http.stateTransactionRequestBodyOperation")) {
    json::ObjectReader members(raw);
    while (members.next()) {
      if (members.key_is("operation")) {
        decoder.text(members.value(), {kOperation, "operations.operation"}, operation);
      } else if (members.key_is("request")) {
        decoder.value(members.value(), {kOperation, "operations.request"}, request);
      }
    }
  }
  return read_step(operation, request);
}

}  // namespace

Result<std::vector<Save>> read_save_body(std::string_view body) {
  OUT_TRY(const std::string_view raw, first_value(body));
  Decoder decoder;
  std::vector<Save> saves;
  if (decoder.is(Type::array, raw, {}, "[]state.SetRequest")) {
    json::ArrayReader elements(raw);
    while (elements.next()) saves.push_back(read_save(decoder, elements.value()));
  }
  OUT_CHECK(decoder.done());
  return saves;
}

Result<BulkGetBody> read_bulk_get_body(std::string_view body) {
  OUT_TRY(const std::string_view raw, first_value(body));
  constexpr std::string_view kName = "BulkGetRequest";
  Decoder decoder;
  BulkGetBody read;
  if (decoder.is(Type::object, raw, {}, "http.BulkGetRequest")) {
    json::ObjectReader members(raw);
    while (members.next()) {
      const std::string_view value = members.value();
      if (members.key_is("metadata")) {
        decoder.texts(value, {kName, "metadata"}, read.metadata);
      } else if (members.key_is("parallelism")) {
        decoder.number(value, {kName, "parallelism"}, read.parallelism);
      } else if (members.key_is("keys")) {
        read.keys.clear();
        if (!decoder.is(Type::array, value, {kName, "keys"}, "[]string")) continue;
        json::ArrayReader keys(value);
        while (keys.next()) decoder.text(keys.value(), {kName, "keys"}, read.keys.emplace_back());
      }
    }
  }
  OUT_CHECK(decoder.done());
  return read;
}

Result<TransactionBody> read_transaction_body(std::string_view body) {
  OUT_TRY(const std::string_view raw, first_value(body));
  Decoder decoder;
  TransactionBody read;
  if (decoder.is(Type::object, raw, {}, "http.stateTransactionRequestBody")) {
    json::ObjectReader members(raw);
    while (members.next()) {
      const std::string_view value = members.value();
      if (members.key_is("metadata")) {
        decoder.texts(value, {kTransaction, "metadata"}, read.metadata);
      } else if (members.key_is("operations")) {
        read.steps.clear();
        if (!decoder.is(Type::array, value, {kTransaction, "operations"},
                        "[]http.stateTransactionRequestBodyOperation")) {
          continue;
        }
        json::ArrayReader operations(value);
        while (operations.next()) {
          read.steps.push_back(read_operation(decoder, operations.value()));
        }
      }
    }
  }
  OUT_CHECK(decoder.done());
  return read;
}

}  // namespace outrigger::runtime::state
