#include "runtime/tracing/otlp_protobuf.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"

namespace outrigger::runtime::tracing {
namespace {

using telemetry::FinishedSpan;
using telemetry::SpanKind;

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Counts what a message takes, so that its length can be written before it.
class Counter {
 public:
  void varint(std::uint64_t value) noexcept {
    size_ += (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
  }
  void fixed(std::uint64_t, std::size_t bytes) noexcept { size_ += bytes; }
  void bytes(std::string_view bytes) noexcept { size_ += bytes.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

class Writer {
 public:
  explicit Writer(std::string& out) noexcept : out_(out) {}
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>((value & 0x7f) | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void fixed(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void bytes(std::string_view bytes) { out_.append(bytes); }

 private:
  std::string& out_;
};

template <class Out>
void tag(Out& out, std::uint32_t field, WireType type) {
  out.varint(static_cast<std::uint64_t>(field) << 3 | type);
}

template <class Out>
void text(Out& out, std::uint32_t field, std::string_view value) {
  if (value.empty()) return;
  tag(out, field, kBytes);
  out.varint(value.size());
  out.bytes(value);
}

template <class Out>
void number(Out& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  tag(out, field, kVarint);
  out.varint(value);
}

/// A nested message that `body(out)` writes.
template <class Out, class Body>
void message(Out& out, std::uint32_t field, const Body& body) {
  Counter counter;
  body(counter);
  tag(out, field, kBytes);
  out.varint(counter.size());
  body(out);
}

/// proto3 strings must be UTF-8, or the receiver refuses the whole batch.
class Utf8 {
 public:
  explicit Utf8(std::string_view given) : view_(given) {
    if (is_utf8(view_)) return;
    mended_ = to_utf8(view_);
    view_ = mended_;
  }
  Utf8(const Utf8&) = delete;
  Utf8& operator=(const Utf8&) = delete;
  operator std::string_view() const noexcept { return view_; }  // NOLINT: meant to convert

 private:
  std::string mended_;
  std::string_view view_;
};

template <class Out>
void key_value(Out& out, std::uint32_t field, std::string_view key, std::string_view value) {
  message(out, field, [&](auto& pair) {
    text(pair, 1, key);
    // AnyValue: its string is there even if it is empty.
    message(pair, 2, [&](auto& any) {
      tag(any, 1, kBytes);
      any.varint(value.size());
      any.bytes(value);
    });
  });
}

std::uint64_t kind_number(SpanKind kind) noexcept {
  switch (kind) {
    case SpanKind::internal: return 1;
    case SpanKind::server: return 2;
    case SpanKind::client: return 3;
    case SpanKind::producer: return 4;
    case SpanKind::consumer: return 5;
  }
  return 0;
}

std::uint64_t unix_nanos(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
}

/// The strings of a span as they may be sent.
struct Texts {
  explicit Texts(const FinishedSpan& span) : name(span.name), status(span.status_message) {
    attributes.reserve(span.attributes.size());
    for (const auto& [key, value] : span.attributes) {
      attributes.push_back(std::make_unique<std::pair<Utf8, Utf8>>(key, value));
    }
  }
  Utf8 name, status;
  std::vector<std::unique_ptr<std::pair<Utf8, Utf8>>> attributes;
};

template <std::size_t Size>
std::string_view view_of(const std::array<std::uint8_t, Size>& id) noexcept {
  return {reinterpret_cast<const char*>(id.data()), Size};
}

template <class Out>
void write_span(Out& out, const FinishedSpan& span, const Texts& texts) {
  // SpanFlags: the context's own, whether the parent was elsewhere is known, and that it was.
  constexpr std::uint32_t kParentKnown = 0x100;
  constexpr std::uint32_t kParentRemote = 0x200;
  const bool has_parent = span.parent_span_id != std::array<std::uint8_t, 8>{};
  text(out, 1, view_of(span.context.trace_id));
  text(out, 2, view_of(span.context.span_id));
  text(out, 3, span.context.state);
  if (has_parent) text(out, 4, view_of(span.parent_span_id));
  text(out, 5, texts.name);
  number(out, 6, kind_number(span.kind));
  tag(out, 7, kFixed64);
  out.fixed(unix_nanos(span.start), 8);
  tag(out, 8, kFixed64);
  out.fixed(unix_nanos(std::max(span.start, span.end)), 8);
  for (const auto& pair : texts.attributes) key_value(out, 9, pair->first, pair->second);
  message(out, 15, [&](auto& status) {
    if (!span.failed) return;
    text(status, 2, texts.status);
    number(status, 3, 2);
  });
  tag(out, 16, kFixed32);
  const std::uint32_t about_parent = has_parent ? kParentKnown | kParentRemote : kParentKnown;
  out.fixed(about_parent | span.context.flags, 4);
}

std::optional<std::uint64_t> take_varint(std::string_view& rest) noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

/// Calls visit(field, number, bytes) for the varints and the length-delimited fields, until the
/// first byte that makes no sense.
template <class Visit>
void each_field(std::string_view rest, const Visit& visit) {
  while (!rest.empty()) {
    const auto head = take_varint(rest);
    if (!head) return;
    const auto wire_type = *head & 7;
    std::string_view bytes;
    std::uint64_t value = 0;
    if (wire_type == kVarint) {
      const auto taken = take_varint(rest);
      if (!taken) return;
      value = *taken;
    } else if (wire_type == kBytes) {
      const auto size = take_varint(rest);
      if (!size || *size > rest.size()) return;
      bytes = rest.substr(0, *size);
      rest.remove_prefix(*size);
    } else {
      const std::size_t size = wire_type == kFixed64 ? 8 : wire_type == kFixed32 ? 4 : SIZE_MAX;
      if (size > rest.size()) return;
      rest.remove_prefix(size);
      continue;
    }
    visit(*head >> 3, value, bytes);
  }
}

}  // namespace

void append_otlp_span(std::string& out, const FinishedSpan& span) {
  const Texts texts(span);
  Writer writer(out);
  message(writer, 2, [&](auto& to) { write_span(to, span, texts); });
}

std::string otlp_resource(const Resource& resource) {
  std::string out;
  Writer writer(out);
  for (const auto& [key, value] : resource.attributes) {
    const Utf8 clean_key(key);
    const Utf8 clean_value(value);
    key_value(writer, 1, clean_key, clean_value);
  }
  return out;
}

std::string otlp_request(std::string_view resource, std::string_view spans) {
  std::string out;
  out.reserve(resource.size() + spans.size() + 128);
  Writer writer(out);
  message(writer, 1, [&](auto& resource_spans) {
    message(resource_spans, 1, [&](auto& to) { to.bytes(resource); });
    message(resource_spans, 2, [&](auto& scope_spans) {
      message(scope_spans, 1, [&](auto& scope) { text(scope, 1, kScopeName); });
      scope_spans.bytes(spans);
    });
    text(resource_spans, 3, kSchemaUrl);
  });
  return out;
}

PartialSuccess read_otlp_response(std::string_view bytes) {
  PartialSuccess outcome;
  each_field(bytes, [&](std::uint64_t field, std::uint64_t, std::string_view partial) {
    if (field != 1) return;
    each_field(partial, [&](std::uint64_t inner, std::uint64_t value, std::string_view message) {
      if (inner == 1) outcome.rejected_spans = value;
      if (inner == 2) outcome.message = message;
    });
  });
  return outcome;
}

}  // namespace outrigger::runtime::tracing
