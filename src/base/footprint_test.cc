#include "base/footprint.h"

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/env.h"
#include "base/strings.h"

namespace outrigger {
namespace {

/// Kilobytes of code that are resident, by /proc/self/smaps.
long resident_code() {
  std::ifstream file("/proc/self/smaps");
  long total = 0;
  bool is_code = false;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, second;
    words >> first >> second;
    if (first.find('-') != std::string::npos) is_code = second.starts_with("r-x");
    if (is_code && first == "Rss:") total += parse_int<long>(second).value_or(0);
  }
  return total;
}

TEST(Footprint, CodeThatIsNotNeededGoesAndComesBackWhenItIs) {
  const long before = resident_code();
  trim_footprint();
  EXPECT_LT(resident_code(), before);
  trim_footprint();
  // What was dropped works as before.
  EXPECT_EQ(to_lower("ABC"), "abc");
}

}  // namespace
}  // namespace outrigger
