#include "base/build_info.h"

#ifndef OUT_VERSION
#define OUT_VERSION "1.18.3"
#endif
#ifndef OUT_GIT_COMMIT
#define OUT_GIT_COMMIT ""
#endif
#ifndef OUT_GIT_VERSION
#define OUT_GIT_VERSION ""
#endif

namespace outrigger {

std::string_view build_version() noexcept { return OUT_VERSION; }
std::string_view build_commit() noexcept { return OUT_GIT_COMMIT; }
std::string_view build_git_version() noexcept { return OUT_GIT_VERSION; }

}  // namespace outrigger
