# Stops with one sentence where shoal cannot work.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8
   OR NOT CMAKE_CXX_BYTE_ORDER STREQUAL "LITTLE_ENDIAN")
  message(FATAL_ERROR "shoal needs 64-bit little-endian Linux: elsewhere, build it in a Linux container.")
endif()
