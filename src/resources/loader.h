#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "resources/component.h"
#include "resources/http_endpoint.h"
#include "resources/resiliency.h"
#include "resources/subscription.h"

namespace outrigger::resources {

/// A file's text, or a manifest from elsewhere.
struct SourceFile {
  /// Named in messages: directory and file name.
  std::string path;
  std::string text;
};

/// What loading has to say besides its result; whoever called writes it to the log.
struct Notice {
  enum class Level : std::uint8_t { debug, warning, error };
  Level level = Level::warning;
  std::string message;
};

/// A Configuration among the resources. It is not applied from there, but upstream takes its change
/// for a reason to read again.
struct ConfigurationDocument {
  static constexpr std::string_view kKind = "Configuration";

  Origin origin;
  std::string name;
  std::string text;

  bool operator==(const ConfigurationDocument&) const = default;
};

/// All resources of some files: in order of directory, file name and place in the file.
struct Resources {
  std::vector<Component> components;
  std::vector<HttpEndpoint> http_endpoints;
  std::vector<Subscription> subscriptions;
  std::vector<Resiliency> resiliencies;
  std::vector<ConfigurationDocument> configurations;
  std::vector<Notice> notices;
  /// Files of which something could not be read: what is missing may be there all the same.
  std::set<std::string> broken_files;
};

struct LoadOptions {
  std::string app_id;
  /// Component and HTTPEndpoint documents of another namespace are left out. nullopt (the
  /// environment variable NAMESPACE is not set or empty): no document is.
  std::optional<std::string> namespace_name;
  /// Whether the error about two of one name says after upstream's words where they are.
  bool say_places = true;
};
/// The namespace from NAMESPACE.
[[nodiscard]] LoadOptions load_options(std::string app_id, const Environment& environment);

/// Reads the .yaml and .yml files (in any case) directly in each directory. A directory that
/// cannot be read is an Error; a file that cannot is a notice in `found`, and one of its broken
/// files. Blocks on the disk.
[[nodiscard]] Result<std::vector<SourceFile>> read_directories(
    const std::vector<std::string>& directories, Resources& found);

/// Takes the documents apart. One that is malformed is left out with a notice, others of its file
/// stay; kinds that are not loaded from here are passed over. Not filtered.
[[nodiscard]] Resources parse_manifests(const std::vector<SourceFile>& files);
/// The same, into `out`.
void parse_manifests(const std::vector<SourceFile>& files, Resources& out);

/// Keeps what is for this app and namespace, as upstream does: components and HTTP endpoints by
/// namespace and scopes, the others by scopes. Two components of one name are an Error that names
/// both; of two HTTP endpoints the first is kept, with a notice.
[[nodiscard]] Result<Resources> filter_resources(Resources resources, const LoadOptions& options);

/// Adds what came from files that are broken now, from `before`, unless it is in `resources` by
/// name: a file that is half written or wrong takes nothing away.
void keep_from_broken_files(Resources& resources, const Resources& before);

/// The three in one: what daprd does with --resources-path at start.
[[nodiscard]] Result<Resources> load_resources(const std::vector<std::string>& directories,
                                               const LoadOptions& options);

}  // namespace outrigger::resources
