#include "resources/loader.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/strings.h"
#include "resources/files.h"

namespace outrigger::resources {
namespace {

using Level = Notice::Level;

bool is_yaml(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string extension = to_lower(name.substr(dot));
  return extension == ".yaml" || extension == ".yml";
}

template <class T>
void take(Result<T> parsed, const Report& report, std::vector<T> Resources::* list,
          const std::string& path, Resources& out) {
  for (const std::string& warning : report.warnings()) {
    out.notices.push_back({Level::warning, warning});
  }
  if (parsed) {
    (out.*list).push_back(std::move(*parsed));
    return;
  }
  out.broken_files.insert(path);
  out.notices.push_back({Level::warning, std::string(T::kKind) +
                                             " left out: " + std::move(parsed).error().message()});
}

std::string name_of(const Field& root) {
  const Field metadata = root["metadata"];
  std::string name;
  if (metadata.is_map()) metadata["name"].read(name);
  return name;
}

// What is wrong with it is told in upstream's words: people look for them.
void take_resiliency(const Field& root, Report& report, const std::string& path, Resources& out) {
  const std::string name = name_of(root);
  auto parsed = parse_resiliency(*root.node(), report);
  if (parsed) return take(std::move(parsed), report, &Resources::resiliencies, path, out);
  out.broken_files.insert(path);
  out.notices.push_back({Level::error, "Could not read resiliency policy " + name + ": " +
                                           std::move(parsed).error().message()});
}

void parse_document(const yaml::Node& document, const std::string& path, const std::string& text,
                    Resources& out) {
  std::string kind, api_version;
  {
    // Documents of other kinds may hold anything: what is wrong with them is not our business.
    Report ignored(path, Rules::manifest);
    const Field root(document, ignored);
    root["kind"].read(kind);
    root["apiVersion"].read(api_version);
  }
  Report report(path, Rules::manifest);
  const auto is = [&](std::string_view wanted_kind, std::string_view wanted_version) {
    return kind == wanted_kind && api_version == wanted_version;
  };
  if (is(Component::kKind, Component::kApiVersion)) {
    take(parse_component(document, report), report, &Resources::components, path, out);
  } else if (is(HttpEndpoint::kKind, HttpEndpoint::kApiVersion)) {
    take(parse_http_endpoint(document, report), report, &Resources::http_endpoints, path, out);
  } else if (is(Subscription::kKind, Subscription::kApiVersion) ||
             is(Subscription::kKind, Subscription::kOldApiVersion)) {
    take(parse_subscription(document, report), report, &Resources::subscriptions, path, out);
  } else if (kind == Resiliency::kKind) {
    // Upstream's loader of this kind does not look at the version.
    take_resiliency(Field(document, report), report, path, out);
  } else if (is("Configuration", Component::kApiVersion)) {
    out.configurations.push_back(
        {Origin{path, document.line}, name_of(Field(document, report)), text});
  } else if (kind.empty() || api_version.empty()) {
    // Perhaps the file is being written.
    if (!Field(document, report).is_null()) out.broken_files.insert(path);
  } else {
    out.notices.push_back({Level::debug, path + ":" + std::to_string(document.line) + ": kind " +
                                             kind + " (" + api_version + ") is not loaded here"});
  }
}

// What one file may say: a file of nothing but rubbish is not worth a million records.
constexpr std::size_t kNoticesPerFileMax = 100;

void parse_file(const SourceFile& file, Resources& out) {
  const std::size_t notices_max = out.notices.size() + kNoticesPerFileMax;
  bool more = false;
  for (const yaml::Part& part : yaml::split_documents(file.text)) {
    const yaml::ParseOptions options{.file = file.path, .first_line = part.first_line};
    const auto document = yaml::parse(part.text, options);
    if (document) {
      parse_document(*document, file.path, std::string(part.text), out);
    } else {
      out.broken_files.insert(file.path);
      out.notices.push_back({Level::warning, "document left out: " + document.error().message()});
    }
    if (out.notices.size() <= notices_max) continue;
    out.notices.resize(notices_max);
    more = true;
  }
  if (more) out.notices.push_back({Level::warning, file.path + ": more is wrong, not listed here"});
}

bool in_namespace(const std::string& namespace_name, const LoadOptions& options) {
  return !options.namespace_name || namespace_name.empty() ||
         namespace_name == *options.namespace_name;
}

/// A name that is taken: upstream's line, and where the two are.
struct Duplicate {
  std::string line;
  std::string places;
};

/// Upstream's lines as they are, for those who look for them, and then the places.
std::string text_of(const std::vector<Duplicate>& duplicates) {
  std::vector<std::string> lines;
  std::vector<std::string> places;
  for (const Duplicate& each : duplicates) {
    lines.push_back(each.line);
    if (!each.places.empty()) places.push_back(each.places);
  }
  return join(lines, "\n") + (places.empty() ? "" : " (" + join(places, "; ") + ")");
}

template <class T>
void keep_named(std::vector<T>& items, const LoadOptions& options,
                std::vector<Duplicate>& duplicates) {
  std::map<std::string, const T*> names;
  std::vector<T> kept;
  kept.reserve(items.size());  // What is kept stays where it is.
  for (T& item : items) {
    if (!in_namespace(item.namespace_name, options)) continue;
    if (const auto found = names.find(item.name); found != names.end()) {
      const T& first = *found->second;
      Duplicate duplicate{"duplicate definition of " + std::string(T::kKind) + " name " +
                              item.log_name() + " with existing " + first.log_name(),
                          {}};
      if (!item.origin.file.empty()) {
        duplicate.places = item.origin.to_string() + " repeats " + first.origin.to_string();
      }
      duplicates.push_back(std::move(duplicate));
      continue;
    }
    if (!in_scope(item.scopes, options.app_id)) continue;
    std::string name = item.name;
    kept.push_back(std::move(item));
    names.emplace(std::move(name), &kept.back());
  }
  items = std::move(kept);
}

}  // namespace

LoadOptions load_options(std::string app_id, const Environment& environment) {
  LoadOptions options{.app_id = std::move(app_id)};
  auto namespace_name = environment("NAMESPACE");
  if (namespace_name && !namespace_name->empty())
    options.namespace_name = std::move(namespace_name);
  return options;
}

Result<std::vector<SourceFile>> read_directories(const std::vector<std::string>& directories,
                                                 Resources& found) {
  std::vector<SourceFile> files;
  for (const std::string& directory : directories) {
    OUT_TRY(const auto names, list_files(directory));
    for (const std::string& name : names) {
      std::string path = join_path(directory, name);
      if (!is_yaml(name)) {
        found.notices.push_back(
            {Level::warning, "A non-YAML file " + path + " was detected, it will not be loaded"});
        continue;
      }
      auto text = read_text_file(path);
      if (!text) {
        found.notices.push_back({Level::warning, text.error().message()});
        found.broken_files.insert(path);
        continue;
      }
      files.push_back({.path = std::move(path), .text = std::move(*text)});
    }
  }
  return files;
}

void parse_manifests(const std::vector<SourceFile>& files, Resources& out) {
  for (const SourceFile& file : files) parse_file(file, out);
}

Resources parse_manifests(const std::vector<SourceFile>& files) {
  Resources resources;
  parse_manifests(files, resources);
  return resources;
}

Result<Resources> filter_resources(Resources resources, const LoadOptions& options) {
  std::vector<Duplicate> duplicates;
  keep_named(resources.components, options, duplicates);
  if (!duplicates.empty() && !options.say_places) {
    for (Duplicate& duplicate : duplicates) duplicate.places.clear();
  }
  if (!duplicates.empty()) return fail(Code::already_exists, text_of(duplicates));
  keep_named(resources.http_endpoints, options, duplicates);
  for (const Duplicate& duplicate : duplicates) {
    resources.notices.push_back({Level::warning, text_of({duplicate}) + "; the first one is kept"});
  }
  const auto foreign = [&](const auto& item) { return !in_scope(item.scopes, options.app_id); };
  std::erase_if(resources.subscriptions, foreign);
  std::erase_if(resources.resiliencies, foreign);
  return resources;
}

void keep_from_broken_files(Resources& resources, const Resources& before) {
  const auto keep = [&](auto list) {
    auto& now = resources.*list;
    std::set<std::string> names;
    for (const auto& item : now) names.insert(item.name);
    for (const auto& item : before.*list) {
      if (!resources.broken_files.contains(item.origin.file)) continue;
      if (names.insert(item.name).second) now.push_back(item);
    }
  };
  if (resources.broken_files.empty()) return;
  keep(&Resources::components);
  keep(&Resources::http_endpoints);
  keep(&Resources::subscriptions);
  keep(&Resources::resiliencies);
  keep(&Resources::configurations);
}

Result<Resources> load_resources(const std::vector<std::string>& directories,
                                 const LoadOptions& options) {
  Resources resources;
  OUT_TRY(const auto files, read_directories(directories, resources));
  parse_manifests(files, resources);
  return filter_resources(std::move(resources), options);
}

}  // namespace outrigger::resources
