#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/jemalloc.h"
#include "base/metrics/metrics.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

void append_metric(std::string& out, std::string_view name, std::string_view kind,
                   std::string_view help, double value) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name);
  out.append(" ").append(kind).append("\n").append(name).append(" ");
  append_metric_number(out, value);
  out += '\n';
}

/// Files of /proc have no size to ask for.
std::string read_proc(const char* path) {
  std::string text;
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return text;
  constexpr std::size_t kFileMax = std::size_t{64} * 1024;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), file)) {
    text.append(buffer, got);
    if (text.size() > kFileMax) break;
  }
  std::fclose(file);
  return text;
}

/// The number behind "<key> " at the start of a line.
std::optional<double> number_of_line(std::string_view text, std::string_view key) {
  for (const auto line : split(text, '\n')) {
    if (line.starts_with(key)) return parse_double(trim(line.substr(key.size())));
  }
  return std::nullopt;
}

double open_descriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = -3;  // ".", ".." and the descriptor of the folder itself.
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

/// Bytes that the program has allocated and not freed.
double heap_bytes() {
  if (mallctl == nullptr) return static_cast<double>(::mallinfo2().uordblks);
  std::uint64_t epoch = 1;
  std::size_t size = sizeof(epoch);
  // Its figures are as of the last time that somebody said this.
  if (mallctl("epoch", &epoch, &size, &epoch, size) != 0) return 0;
  std::size_t allocated = 0;
  size = sizeof(allocated);
  return mallctl("stats.allocated", &allocated, &size, nullptr, 0) == 0
             ? static_cast<double>(allocated)
             : 0;
}

/// Under the names of Go's runtime, which the dashboards of Dapr ask for.
void append_go_metrics(std::string& out, double threads) {
  append_metric(out, "go_goroutines", "gauge",
                "Threads of the process: there are no goroutines here.", threads);
  append_metric(out, "go_memstats_alloc_bytes", "gauge",
                "Bytes of the heap that are in use, as far as the allocator tells.", heap_bytes());
  append_metric(out, "go_threads", "gauge", "Threads of the process.", threads);
}

double limit_of(int resource) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return 0;
  // What Prometheus' Go client prints for "unlimited".
  if (limit.rlim_cur == RLIM_INFINITY) return 18446744073709551615.0;
  return static_cast<double>(limit.rlim_cur);
}

struct Traffic {
  double received, sent;
};

/// Bytes of the network namespace: the two lines "IpExt:" hold names and values.
std::optional<Traffic> traffic() {
  const std::string text = read_proc("/proc/self/net/netstat");
  std::vector<std::string_view> names;
  for (const auto line : split(text, '\n')) {
    if (!line.starts_with("IpExt:")) continue;
    const auto words = split_list(line, ' ');
    if (names.empty()) {
      names = words;
      continue;
    }
    Traffic found{0, 0};
    for (std::size_t i = 0; i < names.size() && i < words.size(); ++i) {
      if (names[i] == "InOctets") found.received = parse_double(words[i]).value_or(0);
      if (names[i] == "OutOctets") found.sent = parse_double(words[i]).value_or(0);
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace

void append_process_metrics(std::string& out) {
  // Fields of proc(5) are counted behind the command's name, which may hold anything: state is 3.
  const std::string stat = read_proc("/proc/self/stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return;
  const auto fields = split_list(std::string_view(stat).substr(name_end + 1), ' ');
  const auto field = [&](std::size_t number) {
    return number - 3 < fields.size() ? parse_double(fields[number - 3]).value_or(0) : 0.0;
  };
  append_go_metrics(out, field(20));
  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  append_metric(out, "process_cpu_seconds_total", "counter",
                "CPU time of the process, user and system, in seconds.",
                (field(14) + field(15)) / ticks);
  append_metric(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
                limit_of(RLIMIT_NOFILE));
  if (const auto bytes = traffic()) {
    append_metric(out, "process_network_receive_bytes_total", "counter",
                  "Bytes received in the network namespace of the process.", bytes->received);
    append_metric(out, "process_network_transmit_bytes_total", "counter",
                  "Bytes sent in the network namespace of the process.", bytes->sent);
  }
  append_metric(out, "process_open_fds", "gauge", "Open file descriptors.", open_descriptors());
  append_metric(out, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.",
                field(24) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const auto boot = number_of_line(read_proc("/proc/stat"), "btime ");
  append_metric(out, "process_start_time_seconds", "gauge",
                "Start of the process in seconds since 1970.",
                boot.value_or(0) + field(22) / ticks);
  append_metric(out, "process_virtual_memory_bytes", "gauge", "Virtual memory in bytes.",
                field(23));
  append_metric(out, "process_virtual_memory_max_bytes", "gauge", "Limit of virtual memory.",
                limit_of(RLIMIT_AS));
}

}  // namespace outrigger::telemetry
