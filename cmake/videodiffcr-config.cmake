# find_package(videodiffcr): the client library, videodiffcr::video_client. Of Debian it wants what it was built with:
# libgrpc++-dev, libprotobuf-dev, libabsl-dev, libutf8proc-dev and pkg-config.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Protobuf)
find_dependency(absl)
find_dependency(gRPC CONFIG)
find_dependency(PkgConfig)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
include(${CMAKE_CURRENT_LIST_DIR}/videodiffcr-targets.cmake)
