# What `cmake --install` lays down and what CPack packs: the same files, in one layout. LibTorch goes into a folder of its own,
# beside CUDA's libraries as its wheels have them, because its libraries look for one another from there.
include(GNUInstallDirs)

set(private_libraries ${CMAKE_INSTALL_LIBDIR}/videodiffcr)
set(documents ${CMAKE_INSTALL_DATADIR}/doc/videodiffcr)

if(VIDEODIFFCR_TORCH)
  file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${private_libraries}/torch/lib)
  set_target_properties(videodiffcr-server videodiffcr-convert PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
  install(TARGETS videodiffcr-server videodiffcr-convert RUNTIME)
  set(torch_libraries libtorch_cpu.so libc10.so libgomp.so.1)
  set(cuda_libraries libcudart.so.13 libcupti.so.13)  # the CPU build of these wheels names them, too
  if(VIDEODIFFCR_CUDA)
    list(APPEND torch_libraries libtorch_cuda.so libc10_cuda.so libtorch_cuda_linalg.so libtorch_nvshmem.so libcaffe2_nvrtc.so)
  endif()
  list(TRANSFORM torch_libraries PREPEND ${TORCH_DIR}/torch/lib/)
  list(TRANSFORM cuda_libraries PREPEND ${TORCH_DIR}/nvidia/cu13/lib/)
  install(PROGRAMS ${torch_libraries} DESTINATION ${private_libraries}/torch/lib)
  install(PROGRAMS ${cuda_libraries} DESTINATION ${private_libraries}/nvidia/cu13/lib)
  set(licenses ${VIDEODIFFCR_CACHE_DIR}/licenses-1)
  install(CODE "
    if(NOT EXISTS \"${licenses}/.complete\")
      message(FATAL_ERROR \"the licences of what goes along are missing: run tools/setup.sh --package first\")
    endif()")
  install(DIRECTORY ${licenses}/ DESTINATION ${documents}/licenses PATTERN .complete EXCLUDE)
endif()
install(TARGETS videodiffcr RUNTIME)
install(DIRECTORY models/tiny DESTINATION ${CMAKE_INSTALL_DATADIR}/videodiffcr/models
  PATTERN classifier.safetensors EXCLUDE)  # judges quality, never serves
install(FILES proto/videodiffcr/v1/video_generation.proto DESTINATION ${CMAKE_INSTALL_DATADIR}/videodiffcr/proto/videodiffcr/v1)
install(FILES README.md CHANGELOG.md docs/operating.md docs/metrics.md docs/errors.md DESTINATION ${documents})
# By Debian's places, relative to the prefix: /usr/lib/systemd/system, /usr/lib/sysusers.d.
install(FILES deploy/systemd/videodiffcr.service DESTINATION lib/systemd/system)
install(FILES deploy/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME videodiffcr.conf)
install(FILES deploy/systemd/videodiffcr.default DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/default RENAME videodiffcr)

# Some places of a package are not below its prefix (/etc), and CMake settles them when it configures: preset "package".
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME videodiffcr)
set(CPACK_PACKAGE_CONTACT "VideoDiffCR maintainers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "streams text-to-video over gRPC: server, client, model converter")
set(CPACK_STRIP_FILES ON)  # our programs; LibTorch stays as its wheel has it
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${TORCH_DIR}/torch/lib ${TORCH_DIR}/nvidia/cu13/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm)
include(CPack)
