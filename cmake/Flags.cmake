# Compiler and linker settings that every target shares.
option(OUT_SANITIZE "Comma separated sanitizers: address,undefined or thread" "")
option(OUT_FUZZ "Build the fuzz targets (libFuzzer)" OFF)
option(OUT_TESTS "Build the tests" ON)

find_program(OUT_CCACHE ccache)
if(OUT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${OUT_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_program(OUT_MOLD mold)
if(OUT_MOLD)
  add_link_options(-fuse-ld=mold)
else()
  add_link_options(-fuse-ld=lld)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wno-missing-field-initializers
                    -Wno-gnu-zero-variadic-macro-arguments
                    -fno-omit-frame-pointer -Xclang -fno-pch-timestamp)
if(OUT_SANITIZE)
  add_compile_options(-fsanitize=${OUT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OUT_SANITIZE})
endif()
if(OUT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffunction-sections -fdata-sections)
  # Functions whose code is the same, as templates and coroutines make many, are kept once.
  add_link_options(-Wl,--gc-sections -Wl,--icf=safe)
endif()
