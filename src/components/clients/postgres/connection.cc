#include "components/clients/postgres/connection.h"

#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/blocking_pool.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib.postgresql");

/// A unit that nobody waits for any more may run this long before the server is asked to stop it,
/// and then this long before the connection is given up.
constexpr Duration kAbandonedMax = 100ms;
constexpr Duration kCancelMax = 5s;

/// libpq's buffers grow to the largest message and never shrink: such a connection is replaced.
constexpr std::size_t kLargeBytes = 8 << 20;
/// The protocol counts a message's bytes in 31 bits; the rest is room for its other parts.
constexpr std::size_t kUnitBytesMax = 1'000'000'000;
/// From this unit of a turn on the kernel is told to gather what is sent until the turn ends: libpq
/// writes to the socket for each unit, and every packet would wake the server.
constexpr int kGatherFrom = 3;
/// More parameters than our statements have.
constexpr std::size_t kParametersMax = 32;

std::string last_message(PGconn* connection) {
  return std::string(trim(PQerrorMessage(connection)));
}

Refusal refusal_of(const PGresult* result) {
  const auto field = [result](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  std::string sqlstate = field(PG_DIAG_SQLSTATE);
  const std::string message = field(PG_DIAG_SEVERITY) + ": " + field(PG_DIAG_MESSAGE_PRIMARY) +
                              " (SQLSTATE " + sqlstate + ")";
  Error error(code_of(sqlstate), message);
  return {.error = std::move(error), .sqlstate = std::move(sqlstate)};
}

void on_notice(void*, const PGresult* notice) {
  log.debug("notice of the server: ", trim(PQresultErrorMessage(notice)));
}

/// Does nothing to a Unix socket.
void cork(int socket, bool on) {
  const int value = on ? 1 : 0;
  ::setsockopt(socket, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

std::size_t bytes_of(const Unit& unit) {
  std::size_t bytes = 0;
  for (const Step& step : unit) {
    bytes += step.statement->sql().size();
    for (const Value& value : step.values) bytes += value ? value->size() : 0;
  }
  return bytes;
}

}  // namespace

void Finish::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }

Call::~Call() {
  if (owner_ != nullptr) owner_->withdraw(*this);
}

Connection::Connection(std::unique_ptr<pg_conn, Finish> handle,
                       std::shared_ptr<const Settings> settings)
    : handle_(std::move(handle)),
      settings_(std::move(settings)),
      head_timer_([this] { check_head(); }) {
  made_at_ = Loop::current().now();
  idle_since_ = made_at_;
}

Connection::~Connection() { close(Error(Code::unavailable, "the connection is closed")); }

Result<> Connection::start(Owner* owner) {
  owner_ = owner;
  PQsetNoticeReceiver(handle_.get(), &on_notice, nullptr);
  if (PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1) {
    return fail(Code::unavailable, last_message(handle_.get()));
  }
  return watch_.open(PQsocket(handle_.get()), *this, true, false);
}

void Connection::submit(Call& call, const Unit& unit) {
  if (error_) return call.done_.set(fail(*error_));
  const std::size_t bytes = bytes_of(unit);
  const bool many = std::ranges::any_of(
      unit, [](const Step& step) { return step.values.size() > kParametersMax; });
  if (bytes > kUnitBytesMax || many) {
    return call.done_.set(fail(Code::invalid_argument, "too much data for one request"));
  }
  if (bytes > kLargeBytes) retire();
  gather();
  call.owner_ = this;
  bool sent = prepare(unit);
  call.number_ = first_number_ + entries_.size();
  sent = sent && send(unit);
  Entry entry{.call = &call};
  sent = end_entry(std::move(entry)) && sent;
  if (!sent) return fail_broken("sending");
  flush();
}

void Connection::gather() {
  ++sent_this_turn_;
  if (sent_this_turn_ == 1) Loop::current().at_turn_end(*this);
  if (sent_this_turn_ == kGatherFrom) cork(PQsocket(handle_.get()), true);
}

void Connection::on_turn_end() {
  if (sent_this_turn_ >= kGatherFrom) cork(PQsocket(handle_.get()), false);
  sent_this_turn_ = 0;
}

/// A transaction of its own for each statement, so that no failure of another step prevents it.
bool Connection::prepare(const Unit& unit) {
  if (!settings_->prepare) return true;
  for (const Step& step : unit) {
    const Statement& statement = *step.statement;
    if (statement.name().empty() || !prepared_.insert(statement.name()).second) continue;
    const char* const sql = statement.sql().c_str();
    const bool sent = PQsendPrepare(handle_.get(), statement.name().c_str(), sql, 0, nullptr) == 1;
    Entry entry{.prepares = statement.name()};
    if (!end_entry(std::move(entry)) || !sent) return false;
  }
  return true;
}

bool Connection::send(const Unit& unit) {
  return std::ranges::all_of(unit, [this](const Step& step) { return send_step(step); });
}

bool Connection::send_step(const Step& step) {
  const std::size_t count = step.values.size();
  // All are binary, texts too: libpq would end a text at its first NUL.
  std::array<const char*, kParametersMax> values;
  std::array<int, kParametersMax> lengths;
  std::array<int, kParametersMax> formats;
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = step.values[i] ? step.values[i]->data() : nullptr;
    lengths[i] = step.values[i] ? static_cast<int>(step.values[i]->size()) : 0;
    formats[i] = 1;
  }
  const Statement& statement = *step.statement;
  PGconn* const handle = handle_.get();
  const int n = static_cast<int>(count);
  if (statement.name().empty() || !settings_->prepare) {
    const char* const sql = statement.sql().c_str();
    return PQsendQueryParams(handle, sql, n, nullptr, values.data(), lengths.data(), formats.data(),
                             1) == 1;
  }
  const char* const name = statement.name().c_str();
  return PQsendQueryPrepared(handle, name, n, values.data(), lengths.data(), formats.data(), 1) ==
         1;
}

bool Connection::end_entry(Entry entry) {
  entries_.push_back(std::move(entry));
  return PQpipelineSync(handle_.get()) == 1;
}

void Connection::flush() {
  const int left = PQflush(handle_.get());
  if (left < 0 || PQsocket(handle_.get()) < 0) return fail_broken("sending");
  watch_.want(true, left > 0);
}

void Connection::on_ready(bool readable, bool writable) {
  // The server may not read on before we have read what it has sent.
  if (readable) {
    const bool ended = PQconsumeInput(handle_.get()) != 1;
    const bool in_order = receive();  // At the end, too: what came before it.
    if (ended || !in_order) return fail_broken("receiving");
  }
  if (writable && !error_) flush();
}

/// libpq gives for each statement a result and then nothing, and for each Sync one result. False if
/// the connection is broken.
bool Connection::receive() {
  PGconn* const handle = handle_.get();
  bool finished = false;
  bool in_order = true;
  bool nothing = false;
  while (in_order && !entries_.empty() && PQisBusy(handle) == 0) {
    PGresult* const result = PQgetResult(handle);
    if (result == nullptr) {
      in_order = !std::exchange(nothing, true);
      continue;
    }
    nothing = false;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      finish_entry();
      finished = true;
    } else {
      in_order = take_result(result);
    }
  }
  if (finished) {
    if (entries_.empty()) idle_since_ = Loop::current().now();
    watch_head();
    if (owner_ != nullptr) owner_->on_progress();
  }
  return in_order && PQstatus(handle) == CONNECTION_OK;
}

/// False: it is not the server's answer, but libpq's about the connection.
bool Connection::take_result(pg_result* result) {
  Entry& entry = entries_.front();
  Rows rows(result);
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      if (PQresultMemorySize(result) > kLargeBytes) retire();
      if (entry.call != nullptr) entry.reply.rows.push_back(std::move(rows));
      return true;
    case PGRES_PIPELINE_ABORTED: return true;
    default: break;
  }
  Refusal refusal = refusal_of(result);
  if (refusal.sqlstate.empty()) return false;
  if (!entry.prepares.empty()) prepared_.erase(entry.prepares);
  if (!entry.reply.refusal) entry.reply.refusal = std::move(refusal);
  return true;
}

void Connection::finish_entry() {
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  ++first_number_;
  if (entry.call == nullptr) return;
  if (entry.reply.refusal) {
    entry.reply.refusal->stray =
        cancelled_.has_value() && entry.reply.refusal->sqlstate == sqlstate::kCancelled;
  }
  entry.call->owner_ = nullptr;
  entry.call->done_.set(std::move(entry.reply));
}

void Connection::fail_broken(std::string_view doing) {
  std::string why = last_message(handle_.get());
  if (why.empty()) why = std::string(doing) + " failed";
  close(Error(Code::unavailable, "the connection to the database was lost: " + why));
}

void Connection::close(Error error) {
  if (error_) return;
  head_timer_.stop();
  if (sent_this_turn_ != 0) Loop::current().withdraw(*this);
  sent_this_turn_ = 0;
  watch_.close();
  error_ = std::move(error);
  handle_.reset();
  auto entries = std::exchange(entries_, {});
  for (Entry& entry : entries) {
    if (entry.call == nullptr) continue;
    entry.call->owner_ = nullptr;
    entry.call->lost_ = true;
    entry.call->done_.set(fail(*error_));
  }
  if (owner_ != nullptr) owner_->on_progress();
}

void Connection::withdraw(Call& call) noexcept {
  const std::uint64_t index = call.number_ - first_number_;
  if (index >= entries_.size()) return;
  entries_[index].call = nullptr;
  entries_[index].reply.rows.clear();
  if (index == 0) watch_head();
}

void Connection::watch_head() {
  if (entries_.empty() || !entries_.front().abandoned()) return head_timer_.stop();
  if (watched_ == first_number_) return;
  watched_ = first_number_;
  head_timer_.start(kAbandonedMax);
}

void Connection::check_head() {
  if (entries_.empty() || !entries_.front().abandoned()) return;
  if (cancelled_ == first_number_) {
    return close(Error(Code::unavailable, "the database does not answer"));
  }
  cancel_head();
  head_timer_.start(kCancelMax);
}

/// The request goes over a connection of its own, which libpq makes blocking. It may come late and
/// meet the next unit, which is then stray.
void Connection::cancel_head() {
  cancelled_ = first_number_;
  std::shared_ptr<PGcancel> cancel(PQgetCancel(handle_.get()), &PQfreeCancel);
  if (cancel == nullptr) return;
  std::move_only_function<void()> work = [cancel = std::move(cancel)] {
    std::array<char, 256> why{};
    if (PQcancel(cancel.get(), why.data(), why.size()) == 0) {
      log.debug("cancelling a request failed: ", trim(why.data()));
    }
  };
  if (!BlockingPool::shared().submit(std::move(work))) log.debug("cancelling: the pool is full");
}

}  // namespace outrigger::components::postgres
