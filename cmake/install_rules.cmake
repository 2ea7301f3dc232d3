# What `cmake --install` lays down and what CPack packs: the same files, in one layout. LibTorch goes into a folder of its own,
# beside CUDA's libraries as its wheels have them, because its libraries look for one another from there.
include(GNUInstallDirs)

set(private_libraries ${CMAKE_INSTALL_LIBDIR}/videodiffcr)
set(documents ${CMAKE_INSTALL_DATADIR}/doc/videodiffcr)

if(VIDEODIFFCR_TORCH)
  file(RELATIVE_PATH to_libraries /${CMAKE_INSTALL_BINDIR} /${private_libraries}/torch/lib)
  # With CUDA our programs name its runtime themselves.
  set(run_path "$ORIGIN/${to_libraries}")
  if(VIDEODIFFCR_CUDA)
    list(APPEND run_path "$ORIGIN/${to_libraries}/../../nvidia/cu13/lib")
  endif()
  set_target_properties(videodiffcr-server videodiffcr-convert PROPERTIES INSTALL_RPATH "${run_path}")
  install(TARGETS videodiffcr-server videodiffcr-convert RUNTIME)
  set(kinds cpu)  # whose libraries name two of CUDA's, too
  if(VIDEODIFFCR_CUDA)
    list(APPEND kinds cuda)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/torch_libraries.txt)
  file(STRINGS ${PROJECT_SOURCE_DIR}/tools/torch_libraries.txt lines REGEX "^(cpu|cuda) ")
  foreach(line ${lines})
    string(REPLACE " " ";" words ${line})
    list(GET words 0 kind)
    list(GET words 1 path)
    if(kind IN_LIST kinds)
      cmake_path(GET path PARENT_PATH folder)
      list(APPEND library_folders ${TORCH_DIR}/${folder})
      install(PROGRAMS ${TORCH_DIR}/${path} DESTINATION ${private_libraries}/${folder})
      # LibTorch's wheel has the symbols of its debuggers, 93 MB in one library, and nothing looks them up at run time.
      if(path MATCHES "libtorch")
        install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-unneeded
          \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${private_libraries}/${path}\" COMMAND_ERROR_IS_FATAL ANY)")
      endif()
    endif()
  endforeach()
  list(REMOVE_DUPLICATES library_folders)
  set(licenses ${VIDEODIFFCR_CACHE_DIR}/licenses-1)
  install(CODE "
    if(NOT EXISTS \"${licenses}/.complete\")
      message(FATAL_ERROR \"the licences of what goes along are missing: run tools/setup.sh --package first\")
    endif()")
  install(DIRECTORY ${licenses}/ DESTINATION ${documents}/licenses PATTERN .complete EXCLUDE)
  if(VIDEODIFFCR_CUDA)
    set(licenses ${VIDEODIFFCR_CACHE_DIR}/licenses-cuda-1)
    install(CODE "
      if(NOT EXISTS \"${TORCH_DIR}/.complete-cuda-wheels\")
        message(FATAL_ERROR \"CUDA's libraries are missing: run tools/setup.sh --cuda-wheels first\")
      endif()")
    install(DIRECTORY ${licenses}/ DESTINATION ${documents}/licenses)
    # Of what is compiled in. FlashInfer's wheel brings CUTLASS along without its licence, which stands at the head of each header.
    set(flashinfer ${VIDEODIFFCR_CACHE_DIR}/flashinfer-0.7.2.post1)
    install(DIRECTORY ${flashinfer}/flashinfer_python-0.7.2.post1.dist-info/licenses/ DESTINATION ${documents}/licenses/flashinfer)
    file(READ ${flashinfer}/flashinfer/data/cutlass/include/cutlass/cutlass.h head LIMIT 8192)
    string(FIND "${head}" "*/" end)
    string(SUBSTRING "${head}" 0 ${end} head)
    file(WRITE ${CMAKE_BINARY_DIR}/licenses/cutlass/LICENSE "${head}*/\n")
    install(DIRECTORY ${CMAKE_BINARY_DIR}/licenses/ DESTINATION ${documents}/licenses)
  endif()
endif()
# Headers of Debian's that are compiled in: no package of theirs comes along and brings its licence.
foreach(package libcli11-dev nlohmann-json3-dev)
  install(FILES /usr/share/doc/${package}/copyright DESTINATION ${documents}/licenses/${package} OPTIONAL)
endforeach()
file(GLOB boost_license /usr/share/doc/libboost1.*-dev/copyright)  # libboost-dev itself holds nothing
install(FILES ${boost_license} DESTINATION ${documents}/licenses/libboost-dev)
install(TARGETS videodiffcr videodiffcr-gateway RUNTIME)
install(DIRECTORY models/tiny DESTINATION ${CMAKE_INSTALL_DATADIR}/videodiffcr/models
  PATTERN classifier.safetensors EXCLUDE)  # judges quality, never serves
install(FILES proto/videodiffcr/v1/video_generation.proto DESTINATION ${CMAKE_INSTALL_DATADIR}/videodiffcr/proto/videodiffcr/v1)
install(FILES README.md CHANGELOG.md docs/operating.md docs/gateway.md docs/metrics.md docs/errors.md DESTINATION ${documents})
# The systemd unit names places of the installation, whose prefix may be given as late as `cmake --install --prefix`.
foreach(place BINDIR DATADIR SYSCONFDIR)
  string(APPEND places "set(CMAKE_INSTALL_${place} \"${CMAKE_INSTALL_${place}}\")\n")
endforeach()
install(CODE "${places}set(documents \"${documents}\")
  set(source \"${PROJECT_SOURCE_DIR}/deploy/systemd\")
  set(filled_in \"${CMAKE_BINARY_DIR}/service\")" COMPONENT service)
install(SCRIPT cmake/install_service.cmake COMPONENT service)

# Of Debian's packages, whose place is /usr: preset "package".
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)  # what is not below the prefix (/etc) goes along
set(CPACK_PACKAGE_NAME videodiffcr)
if(VIDEODIFFCR_CUDA)
  set(CPACK_PACKAGE_NAME videodiffcr-cuda)  # in place of the other
  set(CPACK_DEBIAN_PACKAGE_PROVIDES videodiffcr)
  set(CPACK_DEBIAN_PACKAGE_CONFLICTS videodiffcr)
  set(CPACK_DEBIAN_PACKAGE_REPLACES videodiffcr)
  # The driver's library comes with the driver; Debian's tool, which looks for every library that is named, finds an empty one.
  set(driver ${CMAKE_BINARY_DIR}/driver)
  file(WRITE ${driver}/empty.cc "")
  add_library(empty_cuda_driver SHARED ${driver}/empty.cc)
  set_target_properties(empty_cuda_driver PROPERTIES OUTPUT_NAME cuda VERSION 1 SOVERSION 1 LIBRARY_OUTPUT_DIRECTORY ${driver})
  list(APPEND library_folders ${driver})
endif()
set(CPACK_PACKAGE_CONTACT "VideoDiffCR maintainers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "streams text-to-video over gRPC and HTTP: server, client, gateway, model converter")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${library_folders})
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm)
include(CPack)
