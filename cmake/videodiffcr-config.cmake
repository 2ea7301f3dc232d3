# find_package(videodiffcr): the client library, videodiffcr::video_client (cmake/client_package.cmake of its source).
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Protobuf)
find_dependency(absl)
find_dependency(gRPC CONFIG)
find_dependency(PkgConfig)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
include(${CMAKE_CURRENT_LIST_DIR}/videodiffcr-targets.cmake)
