#include "runtime/invoke/target.h"

#include "base/base64.h"
#include "base/strings.h"
#include "net/uri.h"

namespace outrigger::runtime::invoke {
namespace {

constexpr std::string_view kAppIdHeader = "dapr-app-id";

std::string path_as_method(std::string_view path) {
  std::string clean = net::clean_path(path);
  if (clean.starts_with('/')) clean.erase(0, 1);
  return clean;
}

/// `Authorization: Basic base64("dapr-app-id:<app>")`.
std::optional<std::string> app_of_authorization(std::string_view value) {
  constexpr std::string_view kBasic = "Basic ";
  if (!value.starts_with(kBasic)) return std::nullopt;
  const auto text = base64_decode(value.substr(kBasic.size()));
  if (!text) return std::nullopt;
  const auto parts = split(*text, ':');
  if (parts.size() != 2 || !equals_fold(parts[0], kAppIdHeader)) return std::nullopt;
  return std::string(parts[1]);
}

/// What follows "/v1.0/invoke/", where each slash may be several.
std::optional<std::string_view> after_invoke(std::string_view path) {
  for (const std::string_view part : {std::string_view("v1.0"), std::string_view("invoke")}) {
    if (!path.starts_with('/')) return std::nullopt;
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    if (!path.starts_with(part)) return std::nullopt;
    path.remove_prefix(part.size());
  }
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return path;
}

}  // namespace

bool is_url(std::string_view name) noexcept {
  return name.starts_with("http://") || name.starts_with("https://");
}

Result<AppName> parse_app_name(std::string_view name, std::string_view own_namespace) {
  if (name.empty()) return fail(Code::unknown, "app id is empty");
  if (is_url(name)) {
    return AppName{.id = std::string(name), .app_namespace = {}, .is_url = true};
  }
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) {
    return AppName{.id = std::string(name), .app_namespace = std::string(own_namespace)};
  }
  if (name.find('.', dot + 1) != std::string_view::npos) {
    return fail(Code::unknown, "invalid app id " + std::string(name));
  }
  return AppName{.id = std::string(name.substr(0, dot)),
                 .app_namespace = std::string(name.substr(dot + 1))};
}

std::optional<Destination> find_destination(std::string_view path, const net::Headers& headers) {
  if (const auto app = headers.value(kAppIdHeader); !app.empty()) {
    return Destination{.app = std::string(app), .method = path_as_method(path)};
  }
  if (auto app = app_of_authorization(headers.value("authorization"))) {
    if (app->empty()) return std::nullopt;
    return Destination{.app = *std::move(app), .method = path_as_method(path)};
  }
  const auto rest = after_invoke(path);
  if (!rest) return std::nullopt;
  constexpr std::string_view kMethod = "/method/";
  const std::size_t at = rest->find(kMethod);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  Destination found{.app = std::string(rest->substr(0, at)),
                    .method = net::clean_path(rest->substr(at + kMethod.size()))};
  if (found.method == ".") found.method.clear();
  if (auto decoded = net::query_unescape(found.app); decoded && !decoded->empty()) {
    found.app = *std::move(decoded);
  }
  return found;
}

}  // namespace outrigger::runtime::invoke
