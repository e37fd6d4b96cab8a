#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "base/loop.h"
#include "base/readiness.h"
#include "base/task.h"

namespace outrigger::net {
class TlsContext;
}

/// Where actors live: the sidecar's side of the placement service. A Service on each loop answers
/// lookups from tables that the one Client on loop 0 receives.
namespace outrigger::runtime::placement {

class Client;
class Service;
struct Tables;
struct ClaimRecord;

/// The sidecar that an actor lives at.
struct Location {
  /// "host:port" of its internal gRPC server.
  std::string address;
  std::string app_id;
  /// It is this sidecar.
  bool local = false;
};

/// A call stands on this: while it is held, the actor's type is not moved away without waiting for
/// it (up to the drain time). Belongs to the loop of its Service; released by its destructor.
/// Outlives tables and service without harm.
class Claim {
 public:
  Claim(Claim&&) noexcept;
  Claim& operator=(Claim&&) noexcept;
  ~Claim();

  /// Of the actor it was asked for; empty for a claim on a type.
  [[nodiscard]] const Location& location() const noexcept;
  /// What the call runs under: requested (Code::cancelled) when the claim is revoked, and when
  /// whoever asked for the claim is cancelled. Lives as long as the claim.
  [[nodiscard]] Cancellation& cancellation() noexcept;
  /// The actor may live elsewhere now and the drain time is over: ask again for another claim.
  [[nodiscard]] bool revoked() const noexcept;

 private:
  friend class Service;
  explicit Claim(std::unique_ptr<ClaimRecord> record) noexcept;
  std::unique_ptr<ClaimRecord> record_;
};

/// The actors of one loop. The Service of that loop tells it; calls do not overlap.
class Listener {
 public:
  virtual ~Listener() = default;
  /// These types have moved: every actor of theirs on this loop for which Service::hosts() now says
  /// no is to be deactivated. The round waits for the end of it; new claims on the types wait.
  virtual Task<void> halt_moved(std::vector<std::string> types) = 0;
  /// Every actor of this loop is to be deactivated: the stream is lost or the sidecar ends. New
  /// claims wait for new tables.
  virtual Task<void> halt_all() = 0;
};

/// How calls that stand on claims are brought to their end when their type moves.
struct Drain {
  /// False: they are cancelled at once (drainRebalancedActors).
  bool wait = true;
  /// How long they may go on (drainOngoingCallTimeout), and that of types with their own.
  Duration timeout = std::chrono::seconds(2);
  std::map<std::string, Duration, std::less<>> timeout_by_type;
};

/// Tables by which each type's actors all live at one place: for tests of what stands on claims.
[[nodiscard]] std::shared_ptr<const Tables> tables_of(
    const std::map<std::string, Location>& home_by_type);

/// Lookups and claims on one loop. Made, used and destroyed on that loop.
class Service {
 public:
  /// A loop that has not turned for longer than `standstill` (its process was stopped, for
  /// instance) cannot know whether others have taken over its actors: set_on_standstill().
  explicit Service(Duration standstill = kStandstill);
  /// Less than placement gives a sidecar: by its defaults 3 s to answer a ping, which may be sent
  /// in the very moment in which the standstill begins.
  static constexpr Duration kStandstill = std::chrono::milliseconds(2750);
  /// No claim() may be waiting.
  ~Service();

  /// nullptr: none. It must outlive the client's close() or be withdrawn.
  void set_listener(Listener* listener) noexcept;

  /// Where the actor lives, and a claim on it. Waits while no tables are known or its type is
  /// moving; that wait ends only so or by cancellation. Code::failed_precondition with tag
  /// ERR_ACTOR_NO_ADDRESS if no sidecar hosts the type.
  Task<Result<Claim>> claim(std::string type, std::string id);
  /// The same without waiting; nullopt where claim() would wait. `caller`: what claim() would run
  /// under, nullptr if nothing.
  std::optional<Result<Claim>> claim_now(std::string_view type, std::string_view id,
                                         Cancellation* caller);
  /// A claim on all actors of a type, hosted or not, for work that must not outlast a move.
  Task<Result<Claim>> claim_type(std::string type);

  /// Whether the actor lives in this sidecar by the tables as they are, moving or not. False
  /// without tables.
  [[nodiscard]] bool hosts(std::string_view type, std::string_view id) const;
  /// A round has been completed on the present stream.
  [[nodiscard]] bool ready() const noexcept;
  /// Claims that are held, for tests and metrics.
  [[nodiscard]] std::size_t claims() const noexcept;

  /// What follows is the Client's part. `callback` is called after a standstill, before which
  /// tables were known: from then on claims wait for others, until lose() and what follows it. To
  /// be set before the first tables; without it nothing is made of a standstill.
  void set_on_standstill(std::function<void()> callback);
  /// Installs tables, lets claims on `changed` types wait, and returns when the calls on these
  /// types have ended or were revoked and the listener has halted what moved away.
  Task<void> update(std::shared_ptr<const Tables> tables, std::vector<std::string> changed);
  /// The round is over: claims on these types go on.
  void unlock(const std::vector<std::string>& types);
  /// There are no tables any more; returns when all calls have ended or were revoked and all actors
  /// are halted.
  Task<void> lose();
  void set_drain(std::shared_ptr<const Drain> drain);

 private:
  friend struct ClaimRecord;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Options {
  std::string app_id;
  std::string app_namespace;
  /// Of this sidecar's internal gRPC server, as the other sidecars reach it.
  std::string host_address;
  int internal_port = 0;
  /// "host:port", tried in turn. In Kubernetes the first one's name is resolved anew each time
  /// and its addresses are tried in turn.
  std::vector<std::string> addresses;
  bool kubernetes = false;
  /// The longest wait for the next step of a round (--actors-disseminate-timeout).
  Duration round_timeout = std::chrono::seconds(30);
  /// nullptr: cleartext.
  std::shared_ptr<net::TlsContext> tls;
  std::string server_name;
  /// On loop 0 after each completed round: the types this sidecar hosts, for those who register
  /// elsewhere what it takes. May be empty.
  std::function<void(const std::vector<std::string>& types)> on_round;
  /// On loop 0 with each order of the service, for metrics: "lock", "update", "unlock". May be
  /// empty.
  std::function<void(std::string_view operation)> on_order;
  /// On loop 0 when this sidecar's report has been written to a stream (nullptr), or when a stream
  /// ended before the service had answered it. May be empty.
  std::function<void(const Error* failure)> on_report;
};

/// Where this sidecar says which types it hosts. All members but ready() belong to loop 0.
class Registration {
 public:
  virtual ~Registration() = default;
  /// What this sidecar hosts, reported now and with each new stream.
  virtual void set_types(std::vector<std::string> types) = 0;
  virtual void set_drain(Drain drain) = 0;
  /// Begins to connect, and goes on for ever. Call set_types() before it if types are known.
  virtual void open() = 0;
  /// Ends the stream, waits for the calls (Drain) and halts all actors.
  virtual Task<void> close() = 0;
  /// From any thread: a round has been completed on the present stream ("placement: connected").
  [[nodiscard]] virtual bool ready() const noexcept = 0;
};

/// The stream to the placement service.
class Client final : public Registration {
 public:
  /// `services`: one a loop, by index; they must outlive close(). Adds the target
  /// "internal-placement-service" to `ready`, which is met at the end of the first round.
  Client(Options options, Loops& loops, std::vector<Service*> services, Readiness& ready);
  /// close() must have ended, if open() was called.
  ~Client() override;

  void set_types(std::vector<std::string> types) override;
  void set_drain(Drain drain) override;
  void open() override;
  Task<void> close() override;
  [[nodiscard]] bool ready() const noexcept override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime::placement
