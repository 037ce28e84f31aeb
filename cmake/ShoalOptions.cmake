# Compiler and linker settings of everything in this tree. They hold for our folders only, never for
# a project that shoal is part of, except for the output folders, which are set when shoal is on top.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  find_program(SHOAL_CCACHE ccache)
  if(SHOAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${SHOAL_CCACHE}")
  endif()
endif()

# Installed programs find the installed library without any setting, wherever the prefix is.
file(RELATIVE_PATH _shoal_libdir "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set(CMAKE_INSTALL_RPATH "$ORIGIN/${_shoal_libdir}")

add_compile_options(-Wall -Wextra)
add_compile_definitions(SHOAL_VERSION="${PROJECT_VERSION}")
if(SHOAL_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns wrongly about its own std::string (GCC bug 105651).
  add_compile_options(-Wno-restrict)
endif()

if(SHOAL_SANITIZE)
  add_compile_options("-fsanitize=${SHOAL_SANITIZE}" -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${SHOAL_SANITIZE}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The checks that sanitizers insert confuse GCC's flow analysis.
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
  endif()
  if(SHOAL_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)
  endif()
else()
  # Sanitized libraries leave their runtime's symbols to the program.
  add_link_options("LINKER:--no-undefined")
endif()
