#pragma once

#include <cstddef>

/// jemalloc's control function, where the program is linked with it (cmake/Program.cmake); nullptr
/// where it is not, as with sanitizers. Its names are those of jemalloc(3), "MALLCTL NAMESPACE".
extern "C" int mallctl(const char* name, void* old, std::size_t* old_size, void* wanted,
                       std::size_t wanted_size) __attribute__((weak));
