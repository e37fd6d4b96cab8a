# out_program(<name> [NAMES <links>...] [DEPS <rooms>...])
#
# The program of src/main.cc, and beside it a link for each name it also answers to (argv[0]).
function(out_program name)
  cmake_parse_arguments(PROGRAM "" "" "NAMES;DEPS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/src/main.cc)
  if(NOT OUT_SANITIZE)
    find_library(OUT_JEMALLOC jemalloc_pic REQUIRED)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/allocator.cc)
    # Whole, for nothing names its malloc() before libc's would be found.
    target_link_libraries(${name} PRIVATE -Wl,--whole-archive ${OUT_JEMALLOC} -Wl,--no-whole-archive)
    # No shared library of ours is in C++: this saves a sidecar 1 MB and its start some relocations.
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  foreach(dep ${PROGRAM_DEPS})
    string(REPLACE "/" "_" dep ${dep})
    target_link_libraries(${name} PRIVATE out_${dep})
  endforeach()
  install(TARGETS ${name} RUNTIME DESTINATION bin)
  foreach(link ${PROGRAM_NAMES})
    add_custom_command(TARGET ${name} POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E create_symlink ${name} ${link}
      WORKING_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    install(FILES ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${link} DESTINATION bin)
  endforeach()
endfunction()
