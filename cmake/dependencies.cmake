# Every outside package, once. Debian packages come through their own CMake or pkg-config files; LibTorch, SentencePiece and
# the google.rpc protos from the cache folder that tools/setup.sh fills (exact versions and hashes: tools/pypi_*.txt).
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # module mode: Debian's protobuf has no CMake config
find_package(absl REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers: Beast and Asio
find_package(PkgConfig REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavcodec libavformat libavutil libswscale)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(default_cache "$ENV{XDG_CACHE_HOME}/videodiffcr")
else()
  set(default_cache "$ENV{HOME}/.cache/videodiffcr")
endif()
set(VIDEODIFFCR_CACHE_DIR "${default_cache}" CACHE PATH "Where tools/setup.sh put LibTorch, SentencePiece and the google.rpc protos")

set(GOOGLEAPIS_PROTO_DIR ${VIDEODIFFCR_CACHE_DIR}/googleapis-1.76.0)
set(SENTENCEPIECE_DIR ${VIDEODIFFCR_CACHE_DIR}/sentencepiece-0.2.1)
set(TORCH_DIR ${VIDEODIFFCR_CACHE_DIR}/libtorch-2.11.0)
foreach(needed ${GOOGLEAPIS_PROTO_DIR}/.complete ${SENTENCEPIECE_DIR}/.complete ${TORCH_DIR}/.complete)
  if(NOT EXISTS ${needed})
    message(FATAL_ERROR "${needed} is missing: run tools/setup.sh first")
  endif()
endforeach()

add_library(videodiffcr_sentencepiece STATIC IMPORTED)
set_target_properties(videodiffcr_sentencepiece PROPERTIES
  IMPORTED_LOCATION ${SENTENCEPIECE_DIR}/lib/libsentencepiece.a
  INTERFACE_INCLUDE_DIRECTORIES ${SENTENCEPIECE_DIR}/include)
target_link_libraries(videodiffcr_sentencepiece INTERFACE protobuf::libprotobuf-lite Threads::Threads)

# LibTorch as imported targets: find_package(Torch) would demand a CUDA toolkit. The wheel carries protobuf headers of
# another version, so only targets marked TORCH (videodiffcr_targets.cmake) ever see this include folder.
if(VIDEODIFFCR_TORCH)
  add_library(videodiffcr_torch INTERFACE)
  target_include_directories(videodiffcr_torch SYSTEM INTERFACE ${TORCH_DIR}/torch/include ${TORCH_DIR}/torch/include/torch/csrc/api/include)
  target_compile_definitions(videodiffcr_torch INTERFACE AT_PER_OPERATOR_HEADERS)
  target_link_options(videodiffcr_torch INTERFACE -Wl,--allow-shlib-undefined)
  target_link_libraries(videodiffcr_torch INTERFACE ${TORCH_DIR}/torch/lib/libtorch_cpu.so ${TORCH_DIR}/torch/lib/libc10.so)
  if(VIDEODIFFCR_CUDA)
    if(NOT EXISTS ${TORCH_DIR}/.complete-cuda)
      message(FATAL_ERROR "LibTorch's CUDA libraries are missing: run tools/setup.sh --cuda first")
    endif()
    # CUDA 13 has no nvToolsExt any more, over which CMake 3.25, Debian 12's, stumbles: it sets a property of it unasked.
    if(NOT TARGET CUDA::nvToolsExt)
      add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
    endif()
    find_package(CUDAToolkit REQUIRED)
    # --no-as-needed: nothing refers to libtorch_cuda by symbol, it registers its kernels when loaded.
    target_link_libraries(videodiffcr_torch INTERFACE -Wl,--no-as-needed ${TORCH_DIR}/torch/lib/libtorch_cuda.so ${TORCH_DIR}/torch/lib/libc10_cuda.so
      -Wl,--as-needed CUDA::cudart)
    target_compile_definitions(videodiffcr_torch INTERFACE VIDEODIFFCR_CUDA=1)
    target_include_directories(videodiffcr_torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
    set(flashinfer ${VIDEODIFFCR_CACHE_DIR}/flashinfer-0.7.2.post1)
    if(NOT EXISTS ${flashinfer}/.complete)
      message(FATAL_ERROR "FlashInfer's headers are missing: run tools/setup.sh --cuda first")
    endif()
    set(flashinfer ${flashinfer}/flashinfer/data)
    set(FLASHINFER_INCLUDE_DIRS ${flashinfer}/include ${flashinfer}/cutlass/include ${flashinfer}/cutlass/tools/util/include
      ${flashinfer}/cccl/cub ${flashinfer}/cccl/libcudacxx/include ${flashinfer}/cccl/thrust)
  endif()
endif()

# Who only wants the server and the client has no GoogleTest; tools/test.sh installs it and fails when no test ran.
if(VIDEODIFFCR_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    message(STATUS "GoogleTest is not installed, so no test is built; tools/setup.sh --test installs it")
    set(VIDEODIFFCR_TESTS OFF)
  endif()
endif()
