#include "control/scheduler/postgres_members.h"

#include "base/log.h"
#include "base/random.h"
#include "components/clients/postgres/values.h"
#include "control/scheduler/postgres_statements.h"

namespace outrigger::control::scheduler {
namespace {

namespace postgres = components::postgres;
using postgres::Statement;

const Logger log("dapr.scheduler.server.postgresql");

const Statement& sweep_statement() {
  static const Statement statement(
      "DELETE FROM outrigger_scheduler_replica WHERE expires <= clock_timestamp() AND id <> "
      "$1::text");
  return statement;
}

// Written unless another process of this id is alive.
const Statement& write_statement() {
  static const Statement statement(
      "INSERT INTO outrigger_scheduler_replica AS r VALUES ($1::text, $2::bigint, $3::bigint, "
      "$4::bigint, $5::text, clock_timestamp() + $6::bigint * interval '1 millisecond') "
      "ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, says = excluded.says, "
      "round = excluded.round, address = excluded.address, expires = excluded.expires "
      "WHERE r.uid = excluded.uid OR r.expires <= clock_timestamp()");
  return statement;
}

const Statement& read_statement() {
  static const Statement statement(
      "SELECT id, uid, says, address FROM outrigger_scheduler_replica ORDER BY id");
  return statement;
}

const Statement& leave_statement() {
  static const Statement statement(
      "DELETE FROM outrigger_scheduler_replica WHERE id = $1::text AND uid = $2::bigint");
  return statement;
}

}  // namespace

const Statement& PostgresMembers::table_statement() {
  static const Statement statement(
      "CREATE TABLE IF NOT EXISTS outrigger_scheduler_replica (id text COLLATE \"C\" PRIMARY KEY, "
      "uid bigint NOT NULL, says bigint NOT NULL, round bigint NOT NULL, address text NOT NULL, "
      "expires timestamptz NOT NULL)",
      Statement::Use::once);
  return statement;
}

PostgresMembers::PostgresMembers(postgres::Client& client, Self self, ShareEvents events)
    : client_(client),
      self_(std::move(self)),
      events_(std::move(events)),
      own_{.says = 0, .uid = fast_random(), .address = self_.address},
      seat_(self_.id, self_.time_to_live),
      expiry_([this] { stand_down(Seat::End::broken, "its row could not be renewed in time"); }) {}

PostgresMembers::~PostgresMembers() = default;

void PostgresMembers::join() { scope_.spawn(live()); }

std::optional<PostgresFence> PostgresMembers::fence(std::uint64_t term) const {
  if (!seat_.holds(term, std::chrono::steady_clock::now())) return std::nullopt;
  return PostgresFence{.id = self_.id, .uid = as_signed(own_.uid), .round = round_};
}

void PostgresMembers::stand_down(Seat::End how, std::string_view why) {
  if (!seat_.end(how)) return;
  ++round_;
  expiry_.stop();
  log.info("This replica gives its share of the jobs up: ", why);
  events_.lost();
}

Task<void> PostgresMembers::live() {
  bool in_trouble = false;
  for (;;) {
    const TimePoint asked = std::chrono::steady_clock::now();
    auto seen = co_await look();
    if (scope_.cancellation().requested()) co_return;
    if (!seen && !in_trouble) log.error("The replicas cannot be looked at: ", seen.error());
    in_trouble = !seen;
    if (seen && seen->ours) seat_.renewed(asked, std::chrono::steady_clock::now());
    if (seen && settle(*std::move(seen))) continue;
    [[maybe_unused]] auto woken = co_await with_timeout(anything_new(), self_.interval);
    if (scope_.cancellation().requested()) co_return;
  }
}

Task<Result<postgres::Reply>> PostgresMembers::try_once(postgres::Unit unit) {
  if (!connection_works_ || !connection_->alive()) {
    connection_.reset();
    OUT_CO_TRY(connection_, co_await client_.dedicated());
  }
  postgres::Call call;
  connection_->submit(call, unit);
  auto reply = co_await call.wait();
  if (reply && reply->refusal) co_return fail(std::move(reply->refusal->error));
  co_return reply;
}

// Whatever a connection fails in, the next try is on another one.
Task<Result<postgres::Reply>> PostgresMembers::ask(postgres::Unit unit) {
  auto reply = co_await with_timeout(try_once(std::move(unit)), self_.look_max);
  connection_works_ = reply.has_value();
  if (!reply && reply.error().code() == Code::deadline_exceeded) {
    co_return fail(Code::deadline_exceeded, "the database did not answer in time");
  }
  co_return reply;
}

Task<Result<PostgresMembers::Seen>> PostgresMembers::look() {
  const auto lifetime = std::chrono::duration_cast<std::chrono::milliseconds>(self_.time_to_live);
  Seen seen;
  seen.round = round_;
  postgres::Unit unit(3);
  unit[0].statement = &sweep_statement();
  unit[0].values.emplace_back(self_.id);
  unit[1].statement = &write_statement();
  unit[1].values.emplace_back(self_.id);
  for (const std::int64_t number : {as_signed(own_.uid), as_signed(own_.says), round_}) {
    unit[1].values.emplace_back(postgres::from_integer(number));
  }
  unit[1].values.emplace_back(self_.address);
  unit[1].values.emplace_back(postgres::from_integer(lifetime.count()));
  unit[2].statement = &read_statement();
  OUT_CO_TRY(const auto reply, co_await ask(std::move(unit)));
  seen.ours = reply.rows[1].written() == 1;
  const postgres::Rows& rows = reply.rows[2];
  for (std::size_t row = 0; row < rows.size(); ++row) {
    Membership member;
    member.uid = static_cast<std::uint64_t>(postgres::to_integer(rows.bytes(row, 1)));
    member.says = static_cast<std::uint64_t>(postgres::to_integer(rows.bytes(row, 2)));
    member.address = rows.bytes(row, 3);
    seen.roll.members.emplace(rows.bytes(row, 0), std::move(member));
  }
  co_return seen;
}

bool PostgresMembers::settle(Seen seen) {
  if (!seen.ours) {
    stand_down(Seat::End::broken, "another process has its id");
    return false;
  }
  if (seat_.has_share()) expiry_.start_at(seat_.until());
  Seat::Seen looked;
  looked.says = seen.roll.digest();
  looked.exact = true;
  // Also until the row has the round that the fence asks for.
  looked.said = own_.says == looked.says && seen.round == round_;
  looked.roll = std::move(seen.roll);
  switch (seat_.see(looked)) {
    case Seat::Next::nothing: break;
    case Seat::Next::drain: scope_.spawn(hand_over()); break;
    case Seat::Next::say: own_.says = looked.says; return true;
    case Seat::Next::begin: begin(std::move(looked)); break;
  }
  return false;
}

void PostgresMembers::begin(Seat::Seen seen) {
  expiry_.start_at(seat_.until());
  Share share = seat_.begin(std::move(seen));
  log.info("This replica has share ", share.index + 1, " of ", share.total, " of the jobs");
  events_.owned(std::move(share));
}

Task<void> PostgresMembers::hand_over() {
  const std::uint64_t term = seat_.term();
  co_await drain_share(&events_);
  if (seat_.term() == term) stand_down(Seat::End::in_order, "the replicas are others now");
  handed_over_.notify_all();
}

Task<Result<>> PostgresMembers::anything_new() { co_return co_await handed_over_.wait(); }

Task<void> PostgresMembers::leave() {
  scope_.cancel();
  co_await scope_.join();
  expiry_.stop();
  postgres::Unit unit(1);
  unit[0].statement = &leave_statement();
  unit[0].values.emplace_back(self_.id);
  unit[0].values.emplace_back(postgres::from_integer(as_signed(own_.uid)));
  auto left = co_await ask(std::move(unit));
  connection_.reset();
  if (!left) log.warn("The row of this replica could not be deleted: ", left.error());
}

}  // namespace outrigger::control::scheduler
