#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/stubs/logging.h>
#include <sys/resource.h>

#include "control/placement/program.h"
#include "control/scheduler/program.h"
#include "control/sentry/program.h"
#include "runtime/sidecar/program.h"

namespace outrigger {
namespace {

using Arguments = std::span<const std::string>;

struct Service {
  std::string_view name;
  int (*run)(Arguments arguments);
};

// One program of many names; a name that is none of these is the sidecar's.
constexpr Service kServices[] = {
    {"daprd", &runtime::daprd},
    {"placement", &control::placement::serve},
    {"scheduler", &control::scheduler::serve},
    {"sentry", &control::sentry::serve},
};

const Service* find(std::string_view name) {
  for (const Service& service : kServices) {
    if (service.name == name) return &service;
  }
  return nullptr;
}

/// By the name the program was called by, else by its first word: "outrigger placement --port 1".
int run(std::string_view program, Arguments arguments) {
  const std::string_view name = program.substr(program.find_last_of('/') + 1);
  if (const Service* named = find(name)) return named->run(arguments);
  if (!arguments.empty()) {
    if (const Service* word = find(arguments.front())) return word->run(arguments.subspan(1));
  }
  return runtime::daprd(arguments);
}

/// To what the machine allows, as every Go program has it: 1024 descriptors, the usual limit, are
/// for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  // If that fails the old limit goes on.
  [[maybe_unused]] const int raised = ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace outrigger

int main(int argc, char** argv) {
  outrigger::raise_descriptor_limit();
  // Hostile messages would fill standard error; what is wrong with them is in our own errors.
  google::protobuf::SetLogHandler(nullptr);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return outrigger::run(argv[0], arguments);
}
