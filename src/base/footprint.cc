#include "base/footprint.h"

#include <cstddef>
#include <cstdint>

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/jemalloc.h"

namespace outrigger {
namespace {

/// Code is never written, so what is dropped of it comes back from its file as it was.
int drop_code(dl_phdr_info* object, std::size_t, void*) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    const bool is_code =
        segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && (segment.p_flags & PF_W) == 0;
    if (!is_code) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_filesz;
    // The kernel's own object has no file behind it and refuses.
    [[maybe_unused]] const int done =
        ::madvise(reinterpret_cast<void*>(begin), (end - begin) & ~(page - 1), MADV_DONTNEED);
  }
  return 0;
}

void purge_heap() noexcept {
  if (mallctl == nullptr) {
    ::malloc_trim(0);
    return;
  }
  // 4096: all arenas (MALLCTL_ARENAS_ALL).
  [[maybe_unused]] const int done = mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace

void trim_footprint() noexcept {
  purge_heap();
  ::dl_iterate_phdr(&drop_code, nullptr);
}

}  // namespace outrigger
