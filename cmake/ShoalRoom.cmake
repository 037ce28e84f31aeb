# Helpers for the rooms, which are internal static libraries. Includes are written from the root of
# the tree: "memory/layout.h", <shoal/client.h>.

# The public headers alone, for whoever compiles against them and leaves linking to others.
add_library(shoal_headers INTERFACE)
target_include_directories(shoal_headers INTERFACE "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(shoal_headers INTERFACE ${SHOAL_ABSL_PUBLIC})

# shoal_room(NAME SOURCES a.cc ... LIBS x ...): the static library of a room, where it has sources.
function(shoal_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
  if(NOT arg_SOURCES)
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${arg_LIBS} ${SHOAL_ABSL_PUBLIC} ${SHOAL_ABSL_PRIVATE}
                                       Threads::Threads)
endfunction()
