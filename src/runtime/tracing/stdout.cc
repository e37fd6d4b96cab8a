#include "base/hex.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "runtime/tracing/exporters.h"

namespace outrigger::runtime::tracing {
namespace {

const Logger log("dapr.runtime.trace");

/// As Go prints a time: "2026-08-21 13:04:05.12 +0000 UTC".
void append_time(std::string& out, WallTime time) {
  std::string text = format_rfc3339_nano(time);
  if (!text.empty() && text.back() == 'Z') text.pop_back();
  if (const auto at = text.find('T'); at != std::string::npos) text[at] = ' ';
  out.append(text).append(" +0000 UTC");
}

class Stdout final : public Exporter {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "stdout"; }
  [[nodiscard]] std::string_view target() const noexcept override { return "the log"; }

  void append(std::string& out, const telemetry::FinishedSpan& span) const override {
    out += '[';
    // A line feed ends a span.
    for (const char c : span.name) out += c == '\n' ? ' ' : c;
    out.append("] Trace: ").append(telemetry::trace_id_text(span.context)).append(" Span: ");
    const auto& parent = span.parent_span_id;
    append_hex(out, {reinterpret_cast<const char*>(parent.data()), parent.size()});
    out.append("/").append(telemetry::span_id_text(span.context)).append(" Time: [");
    append_time(out, span.start);
    out.append(" ->  ");
    append_time(out, span.end);
    out.append("] Annotations: []");
  }
  [[nodiscard]] std::string_view separator() const noexcept override { return "\n"; }

  Task<Delivery> send(std::string parts) override {
    for (const std::string_view line : split(parts, '\n')) log.info(line);
    co_return Delivery();
  }
  Task<void> close() override { co_return; }
};

}  // namespace

std::unique_ptr<Exporter> make_stdout() { return std::make_unique<Stdout>(); }

}  // namespace outrigger::runtime::tracing
