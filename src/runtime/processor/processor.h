#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "resources/component.h"
#include "resources/http_endpoint.h"
#include "resources/references.h"
#include "runtime/core/identity.h"
#include "runtime/processor/component_loader.h"

namespace outrigger::runtime::processor {

/// Fetches a secret on behalf of a resource: the map of its keys.
using SecretSource =
    std::function<Task<Result<resources::Secret>>(std::string store, std::string name)>;

/// A component that is in use, as the metadata API lists it.
struct LoadedComponent {
  /// As its file has it: with references, not with what they stand for.
  resources::Component spec;
  std::vector<std::string> capabilities;
};

/// Counts what becomes of components; telemetry implements it.
class LoadObserver {
 public:
  virtual ~LoadObserver() = default;
  virtual void initialised(const resources::Component& component) = 0;
  virtual void failed(const resources::Component& component, std::string_view reason) = 0;
};

/// Opens the configured components: resolves their environment and secret references and their
/// templates, in the order their secret stores allow. Everything runs on loop 0, one call after the
/// other.
class Processor {
 public:
  struct Settings {
    Identity identity;
    Environment environment;
    /// Types or type/version that must not be loaded (spec.components.deny).
    std::vector<std::string> denied;
    bool strict_wasm_sandbox = false;
  };
  Processor(Settings settings, SecretSource secrets, LoadObserver* observer);
  ~Processor();

  /// Adds the loader of a category; it must outlive this object.
  void add(ComponentLoader& loader);
  /// Opens them all. Components whose secret store never comes stay out, with a warning, until it
  /// does. The error of the first that fails without `ignoreErrors`, in upstream's words.
  Task<Result<>> load(std::vector<resources::Component> components);

  /// @name After load()
  /// @{
  /// One that is new or has changed: opened, and then put in the place of the one of that name,
  /// which is closed when its calls have ended. If it cannot be opened the old one is closed, too,
  /// as upstream has it; that is an error unless it says `ignoreErrors`. Those that waited for it
  /// are opened after it.
  Task<Result<>> update(resources::Component component);
  /// One whose file has gone. Those that waited for that are opened; their failure is the error.
  Task<Result<>> remove(std::string name);
  /// Opens a component again that has not changed, if what it was made of may have: a secret
  /// store's file. If it cannot be opened the old one stays.
  Task<void> reopen(std::string name);
  /// Asks the secret stores again, and reopens those whose secrets have changed.
  Task<void> refresh_secrets();
  /// Other rules about what may be loaded, and how: what is denied now is closed, what is not any
  /// more is opened, and what the sandbox is for is opened again if that has changed. What cannot
  /// be is an error, as with update().
  Task<Result<>> set_rules(std::vector<std::string> denied, bool strict_wasm_sandbox);
  /// What there is to be, as the files had it: in use, waiting, denied. The newest of each name.
  enum class Failed : std::uint8_t { included, left_out };
  [[nodiscard]] std::vector<resources::Component> known(Failed failed) const;
  /// @}

  /// All HTTP endpoints with their secrets. One whose secrets cannot all be fetched keeps those
  /// that it had the last time, unless it has changed.
  Task<std::vector<resources::HttpEndpoint>> resolve(
      std::vector<resources::HttpEndpoint> endpoints);
  /// Closes what is open, the last first, and waits for those whose calls had not ended.
  Task<void> close();

  /// On loop 0.
  [[nodiscard]] const std::vector<LoadedComponent>& loaded() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime::processor
