#include "security/x509/pem.h"

#include "base/base64.h"
#include "base/strings.h"

namespace outrigger::security::x509 {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kLineCharacters = 64;

std::string_view take_line(std::string_view& text) {
  const auto parts = cut(text, "\n");
  std::string_view line = parts ? parts->first : text;
  text = parts ? parts->second : std::string_view();
  if (line.ends_with('\r')) line.remove_suffix(1);
  return trim(line);
}

/// The type of a line that begins (or ends) a block; empty if it is no such line.
std::string_view type_of(std::string_view line, std::string_view mark) {
  const bool fits = line.size() > mark.size() + kDashes.size() && line.starts_with(mark) &&
                    line.ends_with(kDashes);
  if (!fits) return {};
  return line.substr(mark.size(), line.size() - mark.size() - kDashes.size());
}

/// What stands before the end line of that type; false if there is none before the next block.
bool read_body(std::string_view& text, std::string_view type, std::string& body) {
  while (!text.empty()) {
    std::string_view rest = text;
    const std::string_view line = take_line(rest);
    if (!type_of(line, kBegin).empty()) return false;
    text = rest;
    if (const auto ended = type_of(line, kEnd); !ended.empty()) return ended == type;
    body += line;
  }
  return false;
}

}  // namespace

std::vector<PemBlock> parse_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  while (!text.empty()) {
    const std::string_view type = type_of(take_line(text), kBegin);
    if (type.empty()) continue;
    std::string body;
    if (!read_body(text, type, body)) continue;
    if (auto der = base64_decode(body)) {
      blocks.push_back({.type = std::string(type), .der = *std::move(der)});
    }
  }
  return blocks;
}

std::string to_pem(std::string_view type, std::string_view der) {
  const std::string body = base64_encode(der);
  std::string text;
  text.append(kBegin).append(type).append(kDashes).append("\n");
  for (std::size_t at = 0; at < body.size(); at += kLineCharacters) {
    text.append(body, at, kLineCharacters).append("\n");
  }
  return text.append(kEnd).append(type).append(kDashes).append("\n");
}

}  // namespace outrigger::security::x509
