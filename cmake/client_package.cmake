# The client library for programs of others: `cmake --install build/release --component client_library`, then
# find_package(videodiffcr) and videodiffcr::video_client (examples/cpp). Static, with what it needs of ours.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(exported videodiffcr_video_client videodiffcr_proto videodiffcr_crc32c videodiffcr_printable_text videodiffcr_system)
foreach(target ${exported})
  string(REPLACE "videodiffcr_" "" name ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
endforeach()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/videodiffcr)
install(TARGETS ${exported} EXPORT videodiffcr-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/videodiffcr-client COMPONENT client_library)
install(EXPORT videodiffcr-targets NAMESPACE videodiffcr:: DESTINATION ${package_dir} COMPONENT client_library)
install(DIRECTORY client DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/videodiffcr COMPONENT client_library FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/generated/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/videodiffcr
  COMPONENT client_library FILES_MATCHING PATTERN "*.h")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/videodiffcr-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/videodiffcr-config.cmake ${PROJECT_BINARY_DIR}/videodiffcr-config-version.cmake
  DESTINATION ${package_dir} COMPONENT client_library)
