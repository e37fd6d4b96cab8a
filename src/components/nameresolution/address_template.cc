#include "components/nameresolution/address_template.h"

#include "base/strings.h"

namespace outrigger::components::nameresolution {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_space(char c) { return kSpaces.contains(c); }

bool is_field_name(std::string_view text) {
  const auto plain = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  return !text.empty() && std::ranges::all_of(text, plain);
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}
std::string_view trim_start(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::string cache_key(const ResolveRequest& request) {
  return request.app_namespace + "/" + request.id + "/" + std::to_string(request.port);
}

}  // namespace

Result<AddressTemplate> AddressTemplate::parse(std::string_view text) {
  AddressTemplate made;
  const auto add_text = [&](std::string_view part) {
    if (!part.empty()) made.pieces_.emplace_back(std::string(part));
  };
  while (true) {
    const auto open = text.find("{{");
    if (open == std::string_view::npos) break;
    std::string_view before = text.substr(0, open);
    text.remove_prefix(open + 2);
    // A trim marker is a minus with white space on its inner side.
    if (text.size() > 1 && text[0] == '-' && is_space(text[1])) {
      before = trim_end(before);
      text.remove_prefix(1);
    }
    add_text(before);
    const bool comment = trim_start(text).starts_with("/*");
    const auto from = comment ? text.find("*/") : 0;
    const auto close = from == std::string_view::npos ? from : text.find("}}", from);
    if (close == std::string_view::npos) {
      return fail(Code::invalid_argument, "template: unclosed action or comment");
    }
    std::string_view action = text.substr(0, close);
    text.remove_prefix(close + 2);
    if (action.size() > 1 && action.back() == '-' && is_space(action[action.size() - 2])) {
      action.remove_suffix(1);
      text = trim_start(text);
    }
    if (comment && trim_end(action).ends_with("*/")) continue;
    OUT_TRY(auto piece, parse_action(trim_start(trim_end(action))));
    made.pieces_.push_back(std::move(piece));
  }
  add_text(text);
  return made;
}

Result<AddressTemplate::Piece> AddressTemplate::parse_action(std::string_view action) {
  if (action == ".ID") return Field::id;
  if (action == ".Namespace") return Field::app_namespace;
  if (action == ".Port") return Field::port;
  if (action == ".CacheKey") return Field::cache_key;
  constexpr std::string_view kData = ".Data.";
  if (action.starts_with(kData) && is_field_name(action.substr(kData.size()))) {
    return DataKey{std::string(action.substr(kData.size()))};
  }
  return fail(Code::invalid_argument,
              "template: {{" + std::string(action) +
                  "}} is not supported; use .ID, .Namespace, .Port, .CacheKey or .Data.name");
}

std::string AddressTemplate::expand(const ResolveRequest& request) const {
  std::string out;
  for (const auto& piece : pieces_) {
    if (const auto* text = std::get_if<std::string>(&piece)) {
      out += *text;
    } else if (const auto* key = std::get_if<DataKey>(&piece)) {
      const auto found = request.data.find(key->name);
      out += found == request.data.end() ? "<no value>" : found->second;
    } else {
      switch (std::get<Field>(piece)) {
        case Field::id: out += request.id; break;
        case Field::app_namespace: out += request.app_namespace; break;
        case Field::port: append_int(out, request.port); break;
        case Field::cache_key: out += cache_key(request); break;
      }
    }
  }
  return out;
}

}  // namespace outrigger::components::nameresolution
