#include <algorithm>

#include "control/scheduler/etcd_sinks.h"
#include "etcd/rpc.pb.h"

namespace outrigger::control::scheduler {
namespace {

// That no field of a RangeResponse has.
constexpr std::uint32_t kPadding = 1000;
// For what follows the records: the count, and a field that fills the rest.
constexpr std::uint64_t kReserve = 64;

/// As a part of an answer.
etcdserverpb::RangeResponse part_of(EtcdRecord record) {
  etcdserverpb::RangeResponse part;
  write_record(std::move(record), *part.add_kvs());
  return part;
}

/// A field of at most so many bytes, which leaves none or enough for another.
std::string padding(std::uint64_t bytes) {
  constexpr std::uint64_t kPaddingMin = 16;
  constexpr std::uint64_t kPieceMax = 64 * 1024;
  const std::uint64_t piece = bytes <= kPieceMax ? bytes : kPieceMax / 2;
  // No content gives some lengths, for the field tells its own.
  for (const std::uint64_t size : {piece, piece - kPaddingMin}) {
    for (const std::uint64_t head : {3U, 4U, 5U}) {
      etcdserverpb::RangeResponse field;
      auto* unknown = field.GetReflection()->MutableUnknownFields(&field);
      unknown->AddLengthDelimited(kPadding, std::string(size - head, '\0'));
      if (field.ByteSizeLong() == size) return field.SerializeAsString();
    }
  }
  return "";
}

}  // namespace

void write_record(EtcdRecord record, mvccpb::KeyValue& out) {
  out.set_key(std::move(record.key));
  out.set_value(std::move(record.value));
  out.set_create_revision(record.revision);
  out.set_mod_revision(record.revision);
  out.set_version(1);
}

std::unexpected<Error> too_large() {
  return fail(Code::resource_exhausted,
              "etcdserver: request is too large: what it gives does not fit in memory; ask for the "
              "records of one app, or page by page");
}

Task<Result<>> still_wanted() {
  Cancellation* const mine = co_await this_cancellation();
  if (mine == nullptr || !mine->requested()) co_return Result<>();
  co_return std::unexpected(mine->error());
}

Task<Result<>> Finding::flush() {
  if (bytes_ > bytes_max_) co_return too_large();
  co_return Result<>();
}

void Finding::take(EtcdRecord record) {
  if (wanted_.full(records_.size())) {
    bytes_ -= records_.front().bytes();
    records_.pop_front();
  }
  bytes_ += record.bytes();
  records_.push_back(std::move(record));
}

std::deque<EtcdRecord> Finding::records() {
  if (wanted_.last) std::ranges::reverse(records_);
  return std::move(records_);
}

void Measuring::take(EtcdRecord record) { bytes_ += part_of(std::move(record)).ByteSizeLong(); }

void Sending::append(std::string_view bytes) {
  OUT_ASSERT(bytes.size() <= left_);
  left_ -= bytes.size();
  pipe_->push(bytes);
}

Task<Result<>> Sending::await_room() {
  auto room = co_await with_timeout(pipe_->wait_writable(), unread_max_);
  const bool in_time = room || room.error().code() != Code::deadline_exceeded;
  if (in_time) co_return room;
  co_return fail(Code::deadline_exceeded, "etcdserver: nothing of the answer is taken");
}

Task<Result<>> Sending::flush() { co_return fits_; }

void Sending::take(EtcdRecord record) {
  if (!fits_) return;
  const std::string bytes = part_of(std::move(record)).SerializeAsString();
  if (bytes.size() + kReserve <= left_) return append(bytes);
  fits_ = fail(Code::unavailable, "etcdserver: more was written meanwhile than there is room for");
}

Task<Result<>> Sending::fill() {
  while (left_ > 0) {
    OUT_CO_CHECK(co_await await_room());
    append(padding(left_));
  }
  co_return Result<>();
}

void Removing::take(EtcdRecord record) {
  if (record.key.starts_with(kJobKeys)) names_.push_back(record.key.substr(kJobKeys.size()));
}

Task<void> Removing::remove(std::string name) {
  if (!failed_) co_return;
  Result<> done = co_await still_wanted();
  if (done) done = co_await engine_.remove(std::move(name));
  if (done) {
    ++removed_;
  } else {
    failed_ = std::move(done);
  }
}

Task<Result<>> Removing::flush() {
  std::vector<Task<void>> all;
  for (auto& name : std::exchange(names_, {})) all.push_back(remove(std::move(name)));
  co_await run_all(std::move(all), kWritingMax);
  co_return failed_;
}

}  // namespace outrigger::control::scheduler
