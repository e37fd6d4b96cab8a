# out_program(<name> [NAMES <links>...] [DEPS <rooms>...])
#
# The program of src/main.cc, and beside it a link for each name it also answers to (argv[0]).
function(out_program name)
  cmake_parse_arguments(PROGRAM "" "" "NAMES;DEPS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/src/main.cc)
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
