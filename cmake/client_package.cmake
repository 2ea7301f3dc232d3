# The client library for programs of others: `cmake --install build/release --component client_library`, then
# find_package(videodiffcr) and videodiffcr::video_client (examples/cpp). Static, with what it needs of ours; no part of the
# package of the programs.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(exported video_client proto threading crc32c printable_text system)
foreach(name ${exported})
  list(APPEND exported_targets videodiffcr_${name})
  set_target_properties(videodiffcr_${name} PROPERTIES EXPORT_NAME ${name})
endforeach()
target_compile_features(videodiffcr_video_client INTERFACE cxx_std_20)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/videodiffcr)
set(headers_dir ${CMAKE_INSTALL_INCLUDEDIR}/videodiffcr)
set(only_when_asked_for COMPONENT client_library EXCLUDE_FROM_ALL)
install(TARGETS ${exported_targets} EXPORT videodiffcr-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/videodiffcr-client ${only_when_asked_for})
install(EXPORT videodiffcr-targets NAMESPACE videodiffcr:: DESTINATION ${package_dir} ${only_when_asked_for})
install(FILES client/call_status.h client/change_schedule.h client/channel_security.h client/server_list.h client/video_call.h
              client/video_client.h
  DESTINATION ${headers_dir}/client ${only_when_asked_for})
install(FILES threading/mutex.h DESTINATION ${headers_dir}/threading ${only_when_asked_for})
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/generated/ DESTINATION ${headers_dir} ${only_when_asked_for}
  FILES_MATCHING PATTERN "*.h")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/videodiffcr-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/videodiffcr-config.cmake ${PROJECT_BINARY_DIR}/videodiffcr-config-version.cmake
  DESTINATION ${package_dir} ${only_when_asked_for})
