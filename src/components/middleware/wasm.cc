#include <atomic>

#include "base/log.h"
#include "base/scope.h"
#include "base/strings.h"
#include "components/middleware/guest_code.h"
#include "components/middleware/http_wasm.h"
#include "components/middleware/middleware.h"
#include "components/middleware/room.h"

namespace outrigger::components::middleware {
namespace {

using namespace std::chrono_literals;
using http_wasm::Exchange;
using http_wasm::Guest;

const Logger log("dapr.contrib");

// The end of the process waits for guests that run.
constexpr Duration kTimeoutMax = 1min;
// However short the time of a guest is: a busy machine is no reason to refuse.
constexpr Duration kWaitMin = 1s;
// Guests of one loop that compute, or are about to; others wait for them. None of these waits for
// anything else, and each ends within its timeout.
constexpr std::size_t kGuestsMax = 64;
// What idle guests of one loop keep if they have grown.
constexpr std::size_t kIdleBytesMax = 64U << 20;
// Bodies of one loop that are being read for guests.
constexpr std::size_t kReadersMax = 64;
// What a call takes beside its guest's memory: headers, and what the runtime has for it.
constexpr std::size_t kCallBytes = 64U << 10;
// Of a body that a guest sees.
constexpr std::size_t kBodyBytesMax = 32U << 20;
constexpr std::int64_t kPageBytes = 65'536;
constexpr std::int64_t kMemoryBytesMax = 65'536 * kPageBytes;

struct Fields {
  std::string url, guest_config;
  bool strict_sandbox = false;
  ByteSize memory_limit{std::int64_t{64} << 20};
  ByteSize waiting_memory_limit{std::int64_t{512} << 20};
  std::chrono::nanoseconds timeout = 5s;

  [[nodiscard]] Duration timeout_max() const {
    return std::chrono::duration_cast<Duration>(timeout);
  }
  /// For a thread to compute on.
  [[nodiscard]] Duration wait_max() const { return std::max(timeout_max(), kWaitMin); }
};
constexpr Field<Fields> kFields[] = {
    {{.name = "url"}, &Fields::url},
    {{.name = "guestConfig"}, &Fields::guest_config},
    {{.name = "strictSandbox"}, &Fields::strict_sandbox},
    {{.name = "memoryLimit"}, &Fields::memory_limit},
    {{.name = "waitingMemoryLimit"}, &Fields::waiting_memory_limit},
    {{.name = "timeout"}, &Fields::timeout},
};

/// A guest and what it works on; it may outlive whoever waits for it.
struct Job {
  std::unique_ptr<Guest> guest;
  Exchange exchange;
  std::uint32_t context = 0;
  std::size_t bytes = 0;  // That it has taken of the room.
};
using JobPtr = std::shared_ptr<Job>;

/// Of a job that waits for a thread: either a thread begins it or the loop takes it back.
class Turn {
 public:
  [[nodiscard]] bool begin() noexcept { return !taken_.exchange(true); }
  [[nodiscard]] bool take_back() noexcept { return !taken_.exchange(true); }

 private:
  std::atomic<bool> taken_ = false;
};

std::unexpected<Error> no_turn() {
  return fail(Code::resource_exhausted, "guests take all the time there is");
}

/// Puts the headers that a guest gave to an answer before there was one into that answer.
void add_missing(net::Headers& headers, const net::Headers& given) {
  const net::Headers before = headers;
  for (const auto field : given) {
    if (!before.contains(field.name)) headers.add(field.name, field.value);
  }
}

/// Lets a guest in WebAssembly look at requests and answers, and change them.
class Wasm final : public Middleware {
 public:
  Wasm(Fields fields, std::shared_ptr<const http_wasm::Options> options,
       std::shared_ptr<GuestCode> code)
      : fields_(std::move(fields)),
        options_(std::move(options)),
        code_(std::move(code)),
        room_(static_cast<std::size_t>(fields_.waiting_memory_limit.bytes)) {}

  Task<Result<>> init() override {
    OUT_CO_TRY(module_, co_await GuestCode::load(code_, fields_.url));
    // One at once: what is wrong with it is told now.
    OUT_CO_TRY(auto guest, co_await make());
    new_guest_bytes_ = guest->bytes();
    keep(std::move(guest));
    co_return Result<>();
  }
  Task<void> close() override {
    idle_.clear();
    idle_bytes_ = 0;
    co_return;
  }

  Task<net::Response> handle(net::Request request, Next next) override {
    if (Guest::reads_bodies(*module_)) {
      const auto status = co_await read_body(&request.body, &requests_read_);
      if (status) co_return refusal(*status);
      std::string text = std::move(request.body.whole);
      request.body = std::move(text);
    }
    auto job = std::make_shared<Job>();
    const std::size_t bytes = kCallBytes + new_guest_bytes_ + request.body.whole.size();
    if (!room_.take_now(bytes)) {
      const auto room = co_await with_timeout(room_.take(bytes), fields_.timeout_max());
      if (!room) co_return refusal(503);
    }
    job->bytes = bytes;
    auto response = co_await handled(job, std::move(request), std::move(next));
    if (job->guest != nullptr) keep(std::move(job->guest));
    room_.give(job->bytes);
    co_return response;
  }

 private:
  Task<Result<std::unique_ptr<Guest>>> make() {
    std::move_only_function<Result<std::unique_ptr<Guest>>()> work =
        [module = module_, options = options_] { return Guest::make(module, options); };
    auto made = co_await guest_threads().run(std::move(work));
    co_return made;
  }

  /// Runs the job's guest on another thread. After an error it is used no more: what it left behind
  /// nobody knows.
  template <class T>
  Task<Result<T>> run(JobPtr job, Result<T> (*step)(Job& job)) {
    // While it runs nobody else has it; if this task is cancelled, it ends with its job.
    auto mine = std::make_shared<Job>(std::move(*job));
    const auto turn = std::make_shared<Turn>();
    std::move_only_function<Result<T>()> work = [mine, turn, step]() -> Result<T> {
      if (!turn->begin()) return no_turn();
      return step(*mine);
    };
    Cancellation waiting(co_await this_cancellation());
    bool late = false;
    Timer limit([&] {
      late = turn->take_back();
      if (late) waiting.request();
    });
    limit.start(fields_.wait_max());
    auto running = guest_threads().run(std::move(work));
    auto result = co_await std::move(running).under(waiting);
    // Also if whoever waited has gone, or there was no place in the queue.
    const bool unbegun = late || (!result && turn->take_back());
    if (late) result = no_turn();
    if (result || unbegun) {
      *job = std::move(*mine);
    } else if (result.error().code() != Code::cancelled) {
      // What stands in the guest's own answer does not count then.
      log.error("A guest failed: ", result.error());
    }
    co_return result;
  }
  static Result<bool> ask(Job& job) {
    OUT_TRY(const auto verdict, job.guest->handle_request(job.exchange));
    job.context = verdict.context;
    return verdict.next;
  }
  static Result<bool> tell(Job& job) {
    OUT_CHECK(job.guest->handle_response(job.exchange, job.context, false));
    return true;
  }

  /// The status to refuse with, if it cannot be had.
  Task<std::optional<int>> read_body(net::Body* body, Semaphore* readers) {
    if (!body->is_stream()) {
      co_return body->whole.size() > kBodyBytesMax ? std::optional(413) : std::nullopt;
    }
    const auto place = co_await with_timeout(readers->acquire(), fields_.timeout_max());
    if (!place) co_return 503;
    auto whole = co_await body->read_all(kBodyBytesMax);
    readers->release();
    if (!whole) co_return 413;
    body->whole = *std::move(whole);
    body->stream = nullptr;
    co_return std::nullopt;
  }
  // Guests do not shrink: of those that have grown only so many are used again.
  void keep(std::unique_ptr<Guest> guest) {
    if (idle_.size() >= kGuestsMax) return;
    const std::size_t bytes = guest->bytes();
    if (bytes > new_guest_bytes_ && bytes > kIdleBytesMax - std::min(kIdleBytesMax, idle_bytes_)) {
      return;
    }
    idle_bytes_ += bytes;
    idle_.push_back(std::move(guest));
  }

  /// One step of the job's guest. While it computes it has one of the places, and no longer.
  template <class T>
  Task<Result<T>> compute(JobPtr job, Result<T> (*step)(Job& job)) {
    const auto place = co_await with_timeout(places_.acquire(), fields_.wait_max());
    if (!place) co_return no_turn();
    auto result = co_await compute_here(job, step);
    places_.release();
    co_return result;
  }
  template <class T>
  Task<Result<T>> compute_here(JobPtr job, Result<T> (*step)(Job& job)) {
    if (job->guest == nullptr && idle_.empty()) {
      auto made = co_await make();
      if (!made) {
        const Code code = made.error().code();
        const bool ours = code != Code::cancelled && code != Code::resource_exhausted;
        if (!ours) co_return std::unexpected(std::move(made).error());
        log.error(made.error());
        co_return fail(Code::internal, "Internal Server Error");
      }
      job->guest = *std::move(made);
    } else if (job->guest == nullptr) {
      job->guest = std::move(idle_.back());
      idle_.pop_back();
      idle_bytes_ -= job->guest->bytes();
    }
    auto result = co_await run<T>(job, step);
    co_return result;
  }

  Task<net::Response> handled(JobPtr job, net::Request request, Next next) {
    Exchange& exchange = job->exchange;
    if (request.peer != nullptr) exchange.source_address = request.peer->address;
    const net::Peer* const peer = request.peer;
    exchange.request = std::move(request);
    // Not on another thread.
    auto stream = std::move(exchange.request.body.stream);
    const auto goes_on = co_await compute<bool>(job, &ask);
    if (!goes_on) {
      const bool busy = goes_on.error().code() == Code::resource_exhausted;
      co_return refusal(busy ? 503 : 500, goes_on.error().message());
    }
    if (!*goes_on) co_return answer_of(job->exchange);
    if (!has_room(*job)) co_return without_answer(job, 503);
    job->exchange.request.peer = peer;
    auto response = co_await passed_on(job, std::move(stream), std::move(next));
    co_return response;
  }

  /// The guest is used no more: it waits for an answer that it does not get.
  static net::Response without_answer(const JobPtr& job, int status) {
    job->guest.reset();
    return refusal(status);
  }

  /// Whether it may wait with as much as its guest has now, which may have grown.
  bool has_room(Job& job) {
    const std::size_t more = job.guest->bytes() - std::min(job.guest->bytes(), new_guest_bytes_);
    if (!room_.take_now(more, job.bytes)) return false;
    job.bytes += more;
    return true;
  }

  static net::Response answer_of(Exchange& exchange) {
    exchange.response.headers.remove("content-length");
    return std::move(exchange.response);
  }

  /// Through the next handler, and back through the guest.
  Task<net::Response> passed_on(JobPtr job, std::shared_ptr<net::Pipe> stream, Next next) {
    Exchange& before = job->exchange;
    const bool kept = job->guest->wants(http_wasm::buffer_request);
    std::string body = std::move(before.request.body.whole);
    net::Request request = before.request;
    if (kept) before.request.body.whole = body;
    request.body.whole = std::move(body);
    if (before.request_written) {
      if (stream != nullptr) stream->close();
      stream = nullptr;
    } else if (!kept) {
      // What was read is gone.
      request.body.whole.erase(0, before.request_read);
    }
    request.body.stream = std::move(stream);
    if (request.body.stream == nullptr) {
      request.headers.remove("content-length");
      request.content_length = request.body.whole.size();
    }
    before.request.body.stream = nullptr;
    net::Response given = std::move(before.response);
    const bool began = std::exchange(before.response_written, false);
    auto response = co_await next(std::move(request));
    add_missing(response.headers, given.headers);
    const bool buffers = job->guest->wants(http_wasm::buffer_response);
    // What the guest has written before stands before what comes now.
    if (buffers || began) {
      const auto status = co_await read_body(&response.body, &answers_read_);
      if (status) co_return without_answer(job, *status == 503 ? 503 : 502);
      response.body.whole.insert(0, given.body.whole);
      response.content_length.reset();
      response.headers.remove("content-length");
    }
    if (began && !buffers) response.status = given.status;
    Exchange& after = job->exchange;
    auto stream_back = std::move(response.body.stream);
    after.response = std::move(response);
    const auto told = co_await compute<bool>(job, &tell);
    if (!told) {
      if (stream_back != nullptr) stream_back->close();
      const bool busy = told.error().code() == Code::resource_exhausted;
      co_return without_answer(job, busy ? 503 : 500);
    }
    net::Response changed = std::move(job->exchange.response);
    changed.body.stream = std::move(stream_back);
    co_return changed;
  }

  const Fields fields_;
  const std::shared_ptr<const http_wasm::Options> options_;
  const std::shared_ptr<GuestCode> code_;
  ModulePtr module_;
  std::vector<std::unique_ptr<Guest>> idle_;
  std::size_t idle_bytes_ = 0;
  // Of a guest that has not worked yet.
  std::size_t new_guest_bytes_ = 0;
  // For calls with a guest, most of which wait for what is behind it.
  Room room_;
  Semaphore places_{kGuestsMax};
  Semaphore requests_read_{kReadersMax}, answers_read_{kReadersMax};
};

Result<> check(const Fields& fields) {
  OUT_CHECK(GuestCode::check_url(fields.url));
  const auto bad = [](std::string text) {
    return fail(Code::invalid_argument, "wasm: failed to parse metadata: " + std::move(text));
  };
  if (fields.memory_limit.bytes < kPageBytes || fields.memory_limit.bytes > kMemoryBytesMax) {
    return bad("memoryLimit must be between 64Ki and 4Gi");
  }
  if (fields.waiting_memory_limit.bytes < kPageBytes) {
    return bad("waitingMemoryLimit must be at least 64Ki");
  }
  if (fields.timeout <= 0s || fields.timeout > kTimeoutMax) {
    return bad("timeout must be more than 0 and at most a minute");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Middleware>> make_wasm(const Metadata& metadata, ComponentContext& context) {
  OUT_TRY(auto fields, parse_fields(metadata, kFields));
  OUT_CHECK(check(fields));
  auto options = std::make_shared<http_wasm::Options>();
  options->guest_config = fields.guest_config;
  options->strict_sandbox = fields.strict_sandbox;
  options->allowance.memory_pages_max =
      static_cast<std::uint32_t>(fields.memory_limit.bytes / kPageBytes);
  options->allowance.time_max = fields.timeout;
  std::move_only_function<Result<std::shared_ptr<GuestCode>>()> make = [] {
    return std::make_shared<GuestCode>();
  };
  OUT_TRY(auto code, context.shared<GuestCode>(std::move(make)));
  return std::make_unique<Wasm>(std::move(fields), std::move(options), std::move(code));
}
std::vector<FieldInfo> wasm_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
