#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "components/middleware/registry.h"
#include "components/nameresolution/registry.h"
#include "components/nameresolution/resolver.h"
#include "components/pluggable/registry.h"
#include "components/pubsub/registry.h"
#include "components/secretstores/registry.h"
#include "components/state/registry.h"

/// Every component that this program can open, towards worlds that are no good: it is closed twice,
/// whatever its init() said, and leaves nothing behind.
namespace outrigger::components {
namespace {

using namespace std::chrono_literals;

// What does not answer is given up after this; no test says how long anything takes.
constexpr Duration kPatience = 50ms;

/// What a component meets where it wants to connect to or to read from.
enum class World : std::uint8_t { nobody, hangs_up, silent, talks_nonsense };
constexpr World kWorlds[] = {World::nobody, World::hangs_up, World::silent, World::talks_nonsense};

/// A server on TCP, or behind a Unix socket, that treats each of its clients in one way.
class Server {
 public:
  Server(int listening, World world) : listening_(listening), world_(world) {
    EXPECT_EQ(::pipe2(stop_.data(), O_CLOEXEC), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    EXPECT_EQ(::write(stop_[1], "x", 1), 1);
    thread_.join();
    for (const int fd : clients_) ::close(fd);
    for (const int fd : stop_) ::close(fd);
    ::close(listening_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  void serve() {
    for (;;) {
      std::array<pollfd, 2> waits{{{listening_, POLLIN, 0}, {stop_[0], POLLIN, 0}}};
      ::poll(waits.data(), waits.size(), -1);
      if (waits[1].revents != 0) return;
      const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      if (world_ == World::hangs_up) {
        ::close(client);
        continue;
      }
      if (world_ == World::talks_nonsense) {
        const std::string nonsense =
            "\xff$-1\r\n*9999999999\r\nHTTP/9 200\r\n\r\n" + std::string(64, '\0');
        ::send(client, nonsense.data(), nonsense.size(), MSG_NOSIGNAL);
      }
      clients_.push_back(client);
    }
  }

  const int listening_;
  const World world_;
  std::array<int, 2> stop_{};
  std::vector<int> clients_;
  std::thread thread_;
};

/// A place that a test owns: a port, a socket and a database, all of them as the world is.
class Place {
 public:
  explicit Place(World world) : folder_(std::filesystem::temp_directory_path() / name()) {
    std::filesystem::create_directories(folder_);
    database_ = folder_ / "data.db";
    if (world == World::nobody) database_ = folder_ / "no" / "such" / "folder" / "data.db";
    if (world == World::hangs_up) std::filesystem::create_directories(database_);
    if (world == World::talks_nonsense) std::ofstream(database_) << std::string(8192, 'x');
    if (world == World::silent) lock();
    const int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(tcp, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(tcp, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    const int unix_socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un path{.sun_family = AF_UNIX, .sun_path = {}};
    socket_ = folder_ / "s";
    socket_.string().copy(path.sun_path, sizeof path.sun_path - 1);
    EXPECT_EQ(::bind(unix_socket, reinterpret_cast<sockaddr*>(&path), sizeof path), 0);
    for (const int fd : {tcp, unix_socket}) {
      // Bound, but nobody listens: the port is not given to anybody else meanwhile.
      if (world == World::nobody) {
        idle_.push_back(fd);
        continue;
      }
      EXPECT_EQ(::listen(fd, 64), 0);
      servers_.push_back(std::make_unique<Server>(fd, world));
    }
  }
  ~Place() {
    servers_.clear();
    for (const int fd : idle_) ::close(fd);
    sqlite3_close(locked_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] std::string socket() const { return socket_.string(); }

  /// What the types of all blocks want to know to find this place. A name that a type does not know
  /// is let be.
  [[nodiscard]] Properties properties(std::string_view type) const {
    const std::string port = std::to_string(port_);
    const std::string url = "http://127.0.0.1:" + port;
    Properties all{{"redisHost", "127.0.0.1:" + port},
                   {"issuer", url},
                   {"audience", "me"},
                   {"url", url + "/guest.wasm"},
                   {"clientID", "me"},
                   {"clientSecret", "secret"},
                   {"scopes", "a"},
                   {"authURL", url},
                   {"tokenURL", url},
                   {"headerName", "x"},
                   {"redirectURL", url},
                   {"opaURL", url},
                   {"rego", "package http"},
                   {"rule", "^/a"},
                   {"routes", "{}"},
                   {"maxRequestsPerSecond", "1"},
                   {"secretsFile", database_.string()},
                   {"format", "service-{appid}.example.com"},
                   {"busyTimeout", "100ms"},
                   {"timeout", "1s"}};
    if (type.contains("postgres")) {
      all["connectionString"] = "host=127.0.0.1 user=a password=b dbname=c port=" + port;
    } else if (type.contains("sqlite")) {
      all.erase("url");
      all["connectionString"] = database_.string();
    }
    return all;
  }

 private:
  static std::string name() {
    static int count = 0;
    return "outrigger-life-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }
  /// A database whose owner never lets anybody else in.
  void lock() {
    ASSERT_EQ(sqlite3_open(database_.c_str(), &locked_), SQLITE_OK);
    ASSERT_EQ(
        sqlite3_exec(locked_, "CREATE TABLE t (x); BEGIN EXCLUSIVE", nullptr, nullptr, nullptr),
        SQLITE_OK);
  }

  std::filesystem::path folder_, database_, socket_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<int> idle_;
  sqlite3* locked_ = nullptr;
};

template <class Component>
Task<Result<>> begin(Component* component) {
  if constexpr (std::is_same_v<Component, nameresolution::Resolver>) {
    nameresolution::Instance instance;
    instance.app_id = "life";
    instance.address = "127.0.0.1";
    instance.internal_port = 50002;
    return component->init(std::move(instance));
  } else {
    return component->init();
  }
}

template <class Component>
Task<void> live(Component* component, bool cancelled) {
  Cancellation gone;
  if (cancelled) gone.request();
  auto beginning = begin(component);
  [[maybe_unused]] auto begun = co_await with_timeout(std::move(beginning), kPatience).under(gone);
  Cancellation never;
  for (int i = 0; i < 2; ++i) co_await component->close().under(never);
}

/// Two instances of one configured component, as two loops have them.
template <class Component>
void live_and_die(const Kind<Component>& kind, const Place& place) {
  Loop loop;
  ComponentContext context{loop, "life"};
  const Metadata metadata{"it", std::string(kind.type), std::string(kind.version),
                          place.properties(kind.type)};
  std::vector<std::unique_ptr<Component>> instances;
  for (const bool cancelled : {true, false, false}) {
    auto made = kind.make(metadata, context);
    ASSERT_TRUE(made) << kind.type << ": " << made.error().message();
    run_on(loop, live(made->get(), cancelled));
    instances.push_back(*std::move(made));
  }
}

std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += each.is_symlink() ? 1 : 0;
  }
  return count;
}

/// A file that a cancelled init() had begun to read on another thread may be open a moment longer.
bool comes_down_to(std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + 1min;
  while (open_files() != count) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

/// A kind of any block, by its name.
struct Row {
  std::string name;
  std::function<void(World world)> run;

  friend void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }
};

template <class Component>
void add(std::vector<Row>& rows, std::span<const Kind<Component>> kinds) {
  for (const auto& kind : kinds) {
    rows.push_back({std::string(kind.type) + "/" + std::string(kind.version), [&kind](World world) {
                      const Place place(world);
                      live_and_die(kind, place);
                    }});
  }
}

/// The component programs: one that all three blocks have.
template <class Component>
void add_program(std::vector<Row>& rows, std::string name,
                 std::vector<Kind<Component>> (pluggable::Registry::*all)(
                     std::span<const Kind<Component>>) const) {
  rows.push_back({name, [all](World world) {
                    const Place place(world);
                    std::vector<std::string> services;
                    for (const char* block : {"StateStore", "PubSub", "SecretStore"}) {
                      services.push_back(std::string("dapr.proto.components.v1.") + block);
                    }
                    const pluggable::Registry registry({{place.socket(), "program", services}});
                    const auto kinds = (registry.*all)({});
                    ASSERT_EQ(kinds.size(), 1U);
                    live_and_die(kinds[0], place);
                  }});
}

std::vector<Row> rows() {
  std::vector<Row> all;
  add(all, state::kinds());
  add(all, pubsub::kinds());
  add(all, secretstores::kinds());
  add(all, nameresolution::kinds());
  add(all, middleware::kinds());
  using pluggable::Registry;
  add_program<state::Store>(all, "state.program", &Registry::state_stores);
  add_program<pubsub::Broker>(all, "pubsub.program", &Registry::brokers);
  add_program<secretstores::SecretStore>(all, "secretstores.program", &Registry::secret_stores);
  return all;
}

class ComponentLife : public testing::TestWithParam<Row> {};

TEST_P(ComponentLife, IsClosedTwiceWhateverItMeetsAndLeavesNothing) {
  // Threads and files that all components have in common are there from the first one on.
  GetParam().run(World::nobody);
  for (const World world : kWorlds) {
    const std::size_t before = open_files();
    GetParam().run(world);
    EXPECT_TRUE(comes_down_to(before)) << GetParam().name << ", world " << static_cast<int>(world);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, ComponentLife, testing::ValuesIn(rows()), [](const auto& info) {
  std::string name = info.param.name;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace outrigger::components
