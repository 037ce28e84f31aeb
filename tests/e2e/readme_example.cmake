# readme_example: README.md's example as a program. It is taken out of the README at configure time,
# so what stands there is what is compiled and run.
set(readme "${PROJECT_SOURCE_DIR}/README.md")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${readme}")
file(READ "${readme}" text)
string(FIND "${text}" "```cpp\n" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "README.md has no example: a block that begins with ```cpp")
endif()
math(EXPR begin "${begin} + 7")
string(SUBSTRING "${text}" ${begin} -1 text)
string(FIND "${text}" "```" end)
string(SUBSTRING "${text}" 0 ${end} text)

set(source "${CMAKE_CURRENT_BINARY_DIR}/readme_example.cc")
file(WRITE "${source}.new" "${text}")
file(COPY_FILE "${source}.new" "${source}" ONLY_IF_DIFFERENT)

add_executable(readme_example "${source}")
set_target_properties(readme_example PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
target_link_libraries(readme_example PRIVATE shoal)
