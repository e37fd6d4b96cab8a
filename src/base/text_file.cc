#include "base/text_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace outrigger {

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::not_found, "failed to read " + path + ": " + std::strerror(errno));
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail(Code::unavailable, "failed to read " + path);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > bytes_max) return fail(Code::out_of_range, path + " is too long");
  return text;
}

}  // namespace outrigger
