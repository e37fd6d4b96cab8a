#include "runtime/reload/reader.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/strings.h"
#include "resources/configuration_loader.h"

namespace outrigger::runtime::reload {
namespace {

using resources::Notice;
using resources::Resources;

template <class Visit>
void for_each_file(const Resources& resources, Visit visit) {
  const auto all = [&](const auto& list) {
    for (const auto& item : list) visit(item.origin.file);
  };
  all(resources.components);
  all(resources.http_endpoints);
  all(resources.subscriptions);
  all(resources.resiliencies);
  all(resources.configurations);
}

bool in_folder(std::string_view file, std::string_view folder) {
  if (!file.starts_with(folder)) return false;
  file.remove_prefix(folder.size());
  if (!folder.ends_with('/')) {
    if (!file.starts_with('/')) return false;
    file.remove_prefix(1);
  }
  return !file.contains('/');
}

bool just_written(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return false;
  const std::chrono::nanoseconds written =
      std::chrono::seconds(about.st_mtim.tv_sec) + std::chrono::nanoseconds(about.st_mtim.tv_nsec);
  const auto age = std::chrono::system_clock::now().time_since_epoch() - written;
  return age >= std::chrono::nanoseconds(0) && age < kSettling;
}

using Paths = std::set<std::string>;

/// One folder. If it is not there, or cannot be read, all of its files count as broken.
void read_folder(const std::string& folder, const Resources& before, Snapshot& out,
                 Paths& being_written) {
  const auto files = resources::read_directories({folder}, out.resources);
  if (!files) {
    out.resources.notices.push_back(
        {Notice::Level::error, files.error().message() + ": what was loaded from there stays"});
    for_each_file(before, [&](const std::string& file) {
      if (in_folder(file, folder)) out.resources.broken_files.insert(file);
    });
    return;
  }
  std::set<std::string_view> known;
  for_each_file(before, [&](const std::string& file) { known.insert(file); });
  for (const resources::SourceFile& file : *files) {
    const bool empty = trim(file.text).empty();
    if (!empty || !known.contains(file.path) || !just_written(file.path)) continue;
    out.resources.broken_files.insert(file.path);
    being_written.insert(file.path);
  }
  resources::parse_manifests(*files, out.resources);
}

Result<resources::Configuration> read_configuration(const Sources& sources) {
  std::vector<std::string> warnings;  // They were said at the start, and are at the next.
  OUT_TRY(auto configuration,
          resources::load_configuration(sources.configurations, sources.environment, warnings,
                                        resources::Blank::refused));
  OUT_CHECK(resources::apply_tracing_environment(configuration, sources.environment));
  if (configuration.access_control) {
    OUT_CHECK(configuration.access_control->check());
  }
  return configuration;
}

void filter(const Sources& sources, const Snapshot& before, Snapshot& now) {
  auto filtered = resources::filter_resources(now.resources, sources.options);
  if (filtered) {
    now.resources = *std::move(filtered);
    return;
  }
  std::vector<Notice> notices = std::move(now.resources.notices);
  notices.push_back({Notice::Level::error,
                     filtered.error().message() + ": all resources stay as they were for now"});
  resources::LoadOptions in_short = sources.options;
  in_short.say_places = false;
  now.duplicate = resources::filter_resources(std::move(now.resources), in_short).error();
  now.resources = before.resources;
  now.resources.notices = std::move(notices);
}

}  // namespace

Snapshot read(const Sources& sources, const Snapshot& before) {
  Snapshot now;
  Paths being_written, kept;
  for (const std::string& folder : sources.folders)
    read_folder(folder, before.resources, now, being_written);
  now.unsettled = !being_written.empty();
  for_each_file(before.resources, [&](const std::string& file) {
    if (being_written.contains(file)) return;
    if (!now.resources.broken_files.contains(file) || !kept.insert(file).second) return;
    now.resources.notices.push_back(
        {Notice::Level::warning, file + ": what was loaded from it and is not in it now stays"});
  });
  resources::keep_from_broken_files(now.resources, before.resources);
  filter(sources, before, now);
  if (sources.configurations.empty()) return now;
  auto configuration = read_configuration(sources);
  if (configuration) {
    now.configuration = *std::move(configuration);
  } else {
    now.resources.notices.push_back(
        {Notice::Level::error,
         configuration.error().message() + ": the configuration stays as it was"});
  }
  return now;
}

}  // namespace outrigger::runtime::reload
