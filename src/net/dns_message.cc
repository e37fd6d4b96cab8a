#include "net/dns_message.h"

#include "base/strings.h"

namespace outrigger::net::dns {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kTopBit = 0x8000;
// Pointers have 14 bits for the place they lead to.
constexpr std::size_t kPointerMax = 0x3fff;

std::unexpected<Error> malformed(std::string_view what) {
  return fail(Code::invalid_argument, "malformed DNS message: " + std::string(what));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<Message> message() {
    if (bytes_.size() > kMessageBytesMax) return malformed("too long");
    if (bytes_.size() < kHeaderBytes) return malformed("no header");
    Message message;
    message.id = u16();
    const std::uint16_t flags = u16();
    message.response = (flags & kTopBit) != 0;
    message.opcode = static_cast<std::uint8_t>((flags >> 11) & 0xf);
    message.authoritative = (flags & 0x0400) != 0;
    message.truncated = (flags & 0x0200) != 0;
    message.rcode = static_cast<std::uint8_t>(flags & 0xf);
    const std::size_t questions = u16();
    const std::size_t answers = u16();
    const std::size_t authorities = u16();
    const std::size_t additionals = u16();
    for (std::size_t i = 0; i < questions; ++i) {
      OUT_TRY(auto one, question());
      message.questions.push_back(std::move(one));
    }
    OUT_CHECK(records(answers, message.answers));
    OUT_CHECK(records(authorities, message.authorities));
    OUT_CHECK(records(additionals, message.additionals));
    return message;
  }

 private:
  [[nodiscard]] bool has(std::size_t count) const { return bytes_.size() - at_ >= count; }
  [[nodiscard]] std::uint8_t byte(std::size_t place) const {
    return static_cast<std::uint8_t>(bytes_[place]);
  }
  std::uint16_t u16() {
    const auto value = static_cast<std::uint16_t>(byte(at_) << 8 | byte(at_ + 1));
    at_ += 2;
    return value;
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }

  Result<Question> question() {
    Question question;
    OUT_TRY(question.name, name());
    if (!has(4)) return malformed("a question is cut off");
    question.type = static_cast<Type>(u16());
    const std::uint16_t qclass = u16();
    question.qclass = qclass & ~kTopBit;
    question.unicast = (qclass & kTopBit) != 0;
    return question;
  }

  Result<> records(std::size_t count, std::vector<Record>& out) {
    for (std::size_t i = 0; i < count; ++i) {
      OUT_TRY(auto one, record());
      out.push_back(std::move(one));
    }
    return {};
  }

  Result<Record> record() {
    Record record;
    OUT_TRY(record.name, name());
    if (!has(10)) return malformed("a record is cut off");
    const std::uint16_t type = u16();
    const std::uint16_t rclass = u16();
    record.rclass = rclass & ~kTopBit;
    record.flush = (rclass & kTopBit) != 0;
    record.ttl_seconds = u32();
    const std::size_t length = u16();
    if (!has(length)) return malformed("record data is cut off");
    const std::size_t end = at_ + length;
    OUT_CHECK(data(record, type, end));
    if (at_ != end) return malformed("record data has another length than it says");
    return record;
  }

  Result<> data(Record& record, std::uint16_t type, std::size_t end) {
    const std::size_t length = end - at_;
    switch (static_cast<Type>(type)) {
      case Type::ptr: {
        OUT_TRY(auto target, name());
        record.data = Ptr{std::move(target)};
        return {};
      }
      case Type::srv: {
        if (length < 7) return malformed("short SRV record");
        Srv srv{.priority = u16(), .weight = u16(), .port = u16(), .target = {}};
        OUT_TRY(srv.target, name());
        record.data = std::move(srv);
        return {};
      }
      case Type::txt: return texts(record, end);
      case Type::a: {
        A a;
        if (length != a.address.size()) return malformed("A record without an IPv4 address");
        copy(a.address.data(), length);
        record.data = a;
        return {};
      }
      case Type::aaaa: {
        Aaaa aaaa;
        if (length != aaaa.address.size()) return malformed("AAAA record without an IPv6 address");
        copy(aaaa.address.data(), length);
        record.data = aaaa;
        return {};
      }
      case Type::any: break;
    }
    record.data = Other{type, std::string(bytes_.substr(at_, length))};
    at_ = end;
    return {};
  }

  void copy(std::uint8_t* out, std::size_t count) {
    std::memcpy(out, bytes_.data() + at_, count);
    at_ += count;
  }

  Result<> texts(Record& record, std::size_t end) {
    Txt txt;
    while (at_ < end) {
      const std::size_t length = byte(at_++);
      if (length > end - at_) return malformed("a text is cut off");
      txt.strings.emplace_back(bytes_.substr(at_, length));
      at_ += length;
    }
    if (txt.strings.empty()) txt.strings.emplace_back();  // RFC 6763, section 6.1: the same.
    record.data = std::move(txt);
    return {};
  }

  Result<std::string> name() {
    std::string out;
    std::size_t place = at_;
    std::size_t piece = place;  // A pointer leads to before the piece that it ends.
    std::size_t wire_bytes = 1;
    bool jumped = false;
    for (;;) {
      if (place >= bytes_.size()) return malformed("a name is cut off");
      const std::size_t length = byte(place);
      if (length == 0) break;
      if (length >= 0xc0) {
        if (place + 1 >= bytes_.size()) return malformed("a pointer is cut off");
        const std::size_t target = (length & 0x3f) << 8 | byte(place + 1);
        if (target >= piece) return malformed("a pointer does not lead backwards");
        if (!jumped) at_ = place + 2;
        jumped = true;
        place = piece = target;
        continue;
      }
      if (length > kLabelBytesMax) return malformed("a label of an unknown kind");
      if (bytes_.size() - place <= length) return malformed("a label is cut off");
      wire_bytes += length + 1;
      if (wire_bytes > kNameBytesMax) return malformed("a name is too long");
      if (!out.empty()) out += '.';
      out += escape_label(bytes_.substr(place + 1, length));
      place += length + 1;
    }
    if (!jumped) at_ = place + 1;
    return out;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// The labels of a name, unescaped. Code::invalid_argument if it cannot be sent.
Result<std::vector<std::string>> labels_of(std::string_view name) {
  std::vector<std::string> labels;
  if (name.empty()) return labels;
  std::size_t wire_bytes = 1;
  std::string label;
  const auto finish = [&]() -> Result<> {
    if (label.empty()) return fail(Code::invalid_argument, "a DNS name has an empty label");
    if (label.size() > kLabelBytesMax) {
      return fail(Code::invalid_argument, "a DNS label is longer than 63 bytes: " + label);
    }
    wire_bytes += label.size() + 1;
    labels.push_back(std::exchange(label, {}));
    return {};
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '.') {
      OUT_CHECK(finish());
      continue;
    }
    if (name[i] == '\\' && i + 1 < name.size()) ++i;
    label += name[i];
  }
  OUT_CHECK(finish());
  if (wire_bytes > kNameBytesMax) {
    return fail(Code::invalid_argument, "a DNS name is longer than 255 bytes");
  }
  return labels;
}

class Writer {
 public:
  Result<std::string> message(const Message& message) {
    const std::size_t counts[] = {message.questions.size(), message.answers.size(),
                                  message.authorities.size(), message.additionals.size()};
    u16(message.id);
    unsigned flags = (message.opcode & 0xfU) << 11 | (message.rcode & 0xfU);
    if (message.response) flags |= kTopBit;
    if (message.authoritative) flags |= 0x0400;
    if (message.truncated) flags |= 0x0200;
    u16(flags);
    for (const std::size_t count : counts) {
      if (count > 0xffff) return fail(Code::invalid_argument, "too many records for one message");
      u16(count);
    }
    for (const auto& question : message.questions) {
      OUT_CHECK(name(question.name, Compress::yes));
      u16(static_cast<std::uint16_t>(question.type));
      u16(question.qclass | (question.unicast ? kTopBit : 0U));
    }
    for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
      for (const auto& one : *section) {
        OUT_CHECK(record(one));
      }
    }
    if (out_.size() > kMessageBytesMax) {
      return fail(Code::invalid_argument, "a DNS message would be longer than 9000 bytes");
    }
    return std::move(out_);
  }

 private:
  enum class Compress : bool { no, yes };

  void u16(std::size_t value) {
    out_ += static_cast<char>(value >> 8 & 0xff);
    out_ += static_cast<char>(value & 0xff);
  }

  Result<> name(std::string_view text, Compress compress) {
    OUT_TRY(const auto labels, labels_of(text));
    std::string wire;
    for (const auto& label : labels) {
      wire += static_cast<char>(label.size());
      wire += label;
    }
    // Suffixes are kept by their bytes on the wire; names that differ in case keep their own.
    std::size_t at = 0;
    for (const auto& label : labels) {
      const std::string suffix = wire.substr(at);
      const auto known = places_.find(suffix);
      if (compress == Compress::yes && known != places_.end()) {
        u16(known->second | 0xc000U);
        return {};
      }
      if (out_.size() <= kPointerMax) places_.try_emplace(suffix, out_.size());
      out_.append(wire, at, label.size() + 1);
      at += label.size() + 1;
    }
    out_ += '\0';
    return {};
  }

  Result<> record(const Record& record) {
    OUT_CHECK(name(record.name, Compress::yes));
    const auto* other = std::get_if<Other>(&record.data);
    u16(other != nullptr ? other->type : static_cast<std::uint16_t>(record.type()));
    u16(record.rclass | (record.flush ? kTopBit : 0U));
    u16(record.ttl_seconds >> 16);
    u16(record.ttl_seconds & 0xffff);
    const std::size_t length_at = out_.size();
    u16(0);
    OUT_CHECK(std::visit([this](const auto& content) { return data(content); }, record.data));
    const std::size_t length = out_.size() - length_at - 2;
    if (length > 0xffff) return fail(Code::invalid_argument, "a DNS record is too long");
    out_[length_at] = static_cast<char>(length >> 8);
    out_[length_at + 1] = static_cast<char>(length & 0xff);
    return {};
  }

  Result<> data(const Ptr& ptr) { return name(ptr.target, Compress::yes); }
  Result<> data(const Srv& srv) {
    u16(srv.priority);
    u16(srv.weight);
    u16(srv.port);
    return name(srv.target, Compress::no);  // RFC 2782 forbids it, and old readers rely on that.
  }
  Result<> data(const Txt& txt) {
    for (const auto& text : txt.strings) {
      if (text.size() > 255) return fail(Code::invalid_argument, "a DNS text is too long");
      out_ += static_cast<char>(text.size());
      out_ += text;
    }
    if (txt.strings.empty()) out_ += '\0';  // Without any string the record would be ill-formed.
    return {};
  }
  template <std::size_t count>
  Result<> address(const std::array<std::uint8_t, count>& bytes) {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  Result<> data(const A& a) { return address(a.address); }
  Result<> data(const Aaaa& aaaa) { return address(aaaa.address); }
  Result<> data(const Other& other) {
    out_ += other.data;
    return {};
  }

  std::string out_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace

Type Record::type() const noexcept {
  struct Visitor {
    Type operator()(const Ptr&) const { return Type::ptr; }
    Type operator()(const Srv&) const { return Type::srv; }
    Type operator()(const Txt&) const { return Type::txt; }
    Type operator()(const A&) const { return Type::a; }
    Type operator()(const Aaaa&) const { return Type::aaaa; }
    Type operator()(const Other& other) const { return static_cast<Type>(other.type); }
  };
  return std::visit(Visitor{}, data);
}

Result<Message> parse(std::string_view bytes) { return Reader(bytes).message(); }

Result<std::string> serialise(const Message& message) { return Writer().message(message); }

bool same_name(std::string_view a, std::string_view b) noexcept { return equals_fold(a, b); }

bool is_below(std::string_view name, std::string_view parent) noexcept {
  if (name.size() < parent.size() + 2) return false;
  const std::size_t dot = name.size() - parent.size() - 1;
  if (name[dot] != '.') return false;
  // The dot must not be part of a label.
  std::size_t backslashes = 0;
  while (backslashes < dot && name[dot - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 0 && same_name(name.substr(dot + 1), parent);
}

std::string escape_label(std::string_view label) {
  std::string out;
  out.reserve(label.size());
  for (const char c : label) {
    if (c == '.' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

bool is_valid_name(std::string_view name) { return labels_of(name).has_value(); }

}  // namespace outrigger::net::dns
