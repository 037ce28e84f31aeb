# What `cmake --install` puts where. shoal::shoal and shoal::shoal_static are exported apart, so that
# users of the shared library need no Cap'n Proto to build.
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/shoal"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

foreach(program shoald shoalctl)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

if(NOT TARGET shoal)
  return()
endif()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/shoal")
install(TARGETS shoal EXPORT shoal_shared
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS shoal_static EXPORT shoal_static
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT shoal_shared NAMESPACE shoal:: FILE shoalShared.cmake DESTINATION "${package_dir}")
install(EXPORT shoal_static NAMESPACE shoal:: FILE shoalStatic.cmake DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/packaging/cmake/shoalConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/package/shoalConfig.cmake" INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a minor version may break what stood before.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/shoalConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/shoalConfig.cmake"
              "${PROJECT_BINARY_DIR}/package/shoalConfigVersion.cmake"
  DESTINATION "${package_dir}")

list(JOIN SHOAL_ABSL_PUBLIC " " SHOAL_PC_REQUIRES)
list(JOIN SHOAL_ABSL_PRIVATE " " SHOAL_PC_REQUIRES_PRIVATE)
string(REPLACE "absl::" "absl_" SHOAL_PC_REQUIRES "${SHOAL_PC_REQUIRES}")
string(REPLACE "absl::" "absl_" SHOAL_PC_REQUIRES_PRIVATE "${SHOAL_PC_REQUIRES_PRIVATE}")
# Relative to the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH SHOAL_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
     "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/packaging/pkgconfig/shoal.pc.in"
  "${PROJECT_BINARY_DIR}/package/shoal.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/package/shoal.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
