# shoal_add_test: one test program, one CTest test, with a watchdog and the environment it needs.
# shoal_add_test_folder: the same for every *_test.cc of a folder.
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)

# Sanitizers slow a test down; what a watchdog allows grows with them.
if(SHOAL_SANITIZE)
  set(SHOAL_TEST_PATIENCE 4)
else()
  set(SHOAL_TEST_PATIENCE 1)
endif()

set(SHOAL_TEST_ENVIRONMENT
  "SHOAL_BIN_DIR=${PROJECT_BINARY_DIR}/bin"
  "SHOAL_SHOALD=${PROJECT_BINARY_DIR}/bin/shoald"
  "ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:second_deadlock_stack=1")

# shoal_test_properties(NAME TIMEOUT seconds LABELS ...)
function(shoal_test_properties name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS")
  math(EXPR timeout "${arg_TIMEOUT} * ${SHOAL_TEST_PATIENCE}")
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${timeout}
    LABELS "${arg_LABELS}"
    ENVIRONMENT "${SHOAL_TEST_ENVIRONMENT}"
    # The caller's own manager is none of a test's business.
    ENVIRONMENT_MODIFICATION "SHOAL_SOCKET=unset:;SHOAL_ARENA=unset:")
endfunction()

# shoal_add_test(NAME name SOURCES a.cc ... LIBS x ... [TIMEOUT seconds] [LABELS ...])
# A library that does not exist is left out. A test with a main() of its own keeps it.
function(shoal_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  set_target_properties(${arg_NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_include_directories(${arg_NAME} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${arg_NAME} PRIVATE
    SHOAL_TEST_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  foreach(library IN LISTS arg_LIBS)
    target_link_libraries(${arg_NAME} PRIVATE $<TARGET_NAME_IF_EXISTS:${library}>)
  endforeach()
  target_link_libraries(${arg_NAME} PRIVATE shoal_headers ${SHOAL_ABSL_PRIVATE} GTest::gmock
    GTest::gtest GTest::gtest_main nlohmann_json::nlohmann_json Threads::Threads)
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
  shoal_test_properties(${arg_NAME} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS})
endfunction()

# shoal_libraries_included(OUT file...): the internal libraries whose headers they include. A test of
# memory/ then builds without the manager, and no test gets the same code from two libraries.
function(shoal_libraries_included out)
  set(includes)
  foreach(source IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    file(STRINGS "${source}" lines REGEX "^#include")
    list(APPEND includes ${lines})
  endforeach()
  set(libraries)
  # Most dependent first: static libraries are searched in this order.
  foreach(rule "tests/support/=shoal_test_support" "tools/=shoalctl_core" "client/=shoal_static" "shoal/=shoal_static"
               "daemon/=shoald_core" "schemas/=shoal_schemas" "memory/=shoal_memory")
    string(REPLACE "=" ";" rule "${rule}")
    list(GET rule 0 folder)
    list(GET rule 1 library)
    if(includes MATCHES "[\"<]${folder}")
      list(APPEND libraries ${library})
    endif()
  endforeach()
  if("shoal_test_support" IN_LIST libraries)
    list(APPEND libraries shoal_static)
  endif()
  list(REMOVE_DUPLICATES libraries)
  set(${out} ${libraries} PARENT_SCOPE)
endfunction()

# shoal_add_test_folder(FOLDER [PREFIX p] [SHARED] [TIMEOUT seconds])
# SHARED links libshoal.so, as users do; else the internal libraries that the test includes.
# The folder's other sources are helpers, linked into each of its tests.
function(shoal_add_test_folder folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SHARED" "PREFIX;TIMEOUT" "")
  file(GLOB sources CONFIGURE_DEPENDS *_test.cc)
  file(GLOB helpers CONFIGURE_DEPENDS *.cc *.h)
  list(REMOVE_ITEM helpers ${sources})
  if(helpers MATCHES "\\.cc(;|$)")
    set(helper_library shoal_${folder}_helpers)
    add_library(${helper_library} STATIC ${helpers})
    target_include_directories(${helper_library} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${helper_library} PUBLIC shoal_headers ${SHOAL_ABSL_PRIVATE} GTest::gtest
      nlohmann_json::nlohmann_json Threads::Threads)
  endif()
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    set(name ${arg_PREFIX}${stem})
    if(arg_SHARED)
      set(libraries shoal_test_support shoal)
    else()
      shoal_libraries_included(libraries "${source}" ${helpers})
    endif()
    shoal_add_test(NAME ${name} SOURCES ${source} LIBS ${helper_library} ${libraries}
                   TIMEOUT ${arg_TIMEOUT} LABELS ${folder})
    foreach(program shoald shoalctl shoal_test_attacher)
      if(arg_SHARED AND TARGET ${program})
        add_dependencies(${name} ${program})
      endif()
    endforeach()
  endforeach()
endfunction()
