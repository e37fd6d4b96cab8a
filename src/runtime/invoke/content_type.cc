#include "runtime/invoke/content_type.h"

#include <algorithm>

#include "base/strings.h"

namespace outrigger::runtime::invoke {
namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";

struct Signature {
  std::string_view begins;
  std::string_view type;
};

// Tags must be followed by a blank or '>'; white space before them is skipped.
constexpr std::string_view kTags[] = {"<!DOCTYPE HTML",
                                      "<HTML",
                                      "<HEAD",
                                      "<SCRIPT",
                                      "<IFRAME",
                                      "<H1",
                                      "<DIV",
                                      "<FONT",
                                      "<TABLE",
                                      "<A",
                                      "<STYLE",
                                      "<TITLE",
                                      "<B",
                                      "<BODY",
                                      "<BR",
                                      "<P",
                                      "<!--"};

constexpr Signature kSignatures[] = {
    {"%PDF-", "application/pdf"},
    {"%!PS-Adobe-", "application/postscript"},
    {"\x89PNG\x0D\x0A\x1A\x0A", "image/png"},
    {"GIF87a", "image/gif"},
    {"GIF89a", "image/gif"},
    {"\xFF\xD8\xFF", "image/jpeg"},
    {"BM", "image/bmp"},
    {"PK\x03\x04", "application/zip"},
    {"\x1F\x8B\x08", "application/x-gzip"},
    {"OggS", "application/ogg"},
    {"\xFE\xFF", "text/plain; charset=utf-16be"},
    {"\xFF\xFE", "text/plain; charset=utf-16le"},
    {"\xEF\xBB\xBF", "text/plain; charset=utf-8"},
};

bool is_html(std::string_view text) noexcept {
  for (const std::string_view tag : kTags) {
    if (!starts_with_fold(text, tag) || text.size() == tag.size()) continue;
    const char after = text[tag.size()];
    if (after == ' ' || after == '>') return true;
  }
  return false;
}

bool is_binary(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= 0x08 || byte == 0x0b || (byte >= 0x0e && byte <= 0x1a) ||
         (byte >= 0x1c && byte <= 0x1f);
}

}  // namespace

std::string_view sniff_content_type(std::string_view body) noexcept {
  constexpr std::size_t kBytes = 512;
  body = body.substr(0, kBytes);
  const std::size_t start = body.find_first_not_of("\t\n\x0c\r ");
  const std::string_view text =
      start == std::string_view::npos ? std::string_view() : body.substr(start);
  if (is_html(text)) return kHtml;
  if (text.starts_with("<?xml")) return "text/xml; charset=utf-8";
  for (const Signature& signature : kSignatures) {
    if (body.starts_with(signature.begins)) return signature.type;
  }
  if (std::ranges::any_of(body, is_binary)) return "application/octet-stream";
  return "text/plain; charset=utf-8";
}

}  // namespace outrigger::runtime::invoke
