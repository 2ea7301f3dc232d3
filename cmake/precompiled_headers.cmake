# What takes longer to read than most of our files take to compile is read once per kind of target
# (docs/adr/0014-precompiled-headers.md). A file still includes what it uses.
option(VIDEODIFFCR_PRECOMPILE "Read the largest headers of others once" ON)

set(VIDEODIFFCR_COMMON_HEADERS <algorithm> <cstdint> <functional> <map> <memory> <optional> <string> <utility> <vector>
    <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>)
set(VIDEODIFFCR_TORCH_HEADERS <ATen/core/Tensor.h> <ATen/TensorOperators.h> <c10/core/GradMode.h>)
set(VIDEODIFFCR_RPC_HEADERS <grpcpp/grpcpp.h> <videodiffcr/v1/video_generation.grpc.pb.h>)
set(VIDEODIFFCR_JSON_HEADERS ${VIDEODIFFCR_RPC_HEADERS} <nlohmann/json.hpp>)
set(VIDEODIFFCR_TEST_HEADERS <gmock/gmock.h> <gtest/gtest.h>)

if(VIDEODIFFCR_PRECOMPILE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-pthread>)  # all alike: some would have it from what they link
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False ones of std::string and std::vector (GCC bug 105329), which g++ keeps to itself for headers of the system
    # unless they are precompiled.
    list(APPEND VIDEODIFFCR_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds> $<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overflow>
        $<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overread>)
  endif()
endif()
if(VIDEODIFFCR_PRECOMPILE AND VIDEODIFFCR_CCACHE)  # what ccache wants of them, beside its sloppiness
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
endif()

# Gives `target`, a library or a test, the precompiled headers of its kind: torch, rpc, json (rpc and JSON) or empty. They
# are made where the first target of a kind is, so all of a kind have one directory's compile options: those of tests/
# are not the others'.
function(videodiffcr_precompile target kind is_test)
  if(NOT VIDEODIFFCR_PRECOMPILE)
    return()
  endif()
  set(headers ${VIDEODIFFCR_COMMON_HEADERS})
  set(name videodiffcr_headers)
  if(is_test)
    list(APPEND headers ${VIDEODIFFCR_TEST_HEADERS})
    string(APPEND name _test)
  elseif(kind STREQUAL "" OR CMAKE_CURRENT_SOURCE_DIR MATCHES "^${PROJECT_SOURCE_DIR}/tests/")
    return()  # Abseil and C++ alone are read quickly; what tests share is little
  endif()
  if(kind STREQUAL torch)
    list(APPEND headers ${VIDEODIFFCR_TORCH_HEADERS})
    string(APPEND name _torch)
  elseif(kind STREQUAL rpc)
    list(APPEND headers ${VIDEODIFFCR_RPC_HEADERS})
    string(APPEND name _rpc)
  elseif(kind STREQUAL json)
    list(APPEND headers ${VIDEODIFFCR_JSON_HEADERS})
    string(APPEND name _json)
  endif()
  if(NOT TARGET ${name})
    file(WRITE ${PROJECT_BINARY_DIR}/no_code.cc "")
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/no_code.cc)
    if(is_test)  # compiled as programs are
      set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${name} PRIVATE -fPIE)
      target_link_libraries(${name} PRIVATE GTest::gmock)
    endif()
    target_link_libraries(${name} PRIVATE absl::statusor absl::strings)
    if(kind STREQUAL torch)
      target_link_libraries(${name} PRIVATE videodiffcr_torch)
    elseif(NOT kind STREQUAL "")
      target_link_libraries(${name} PRIVATE videodiffcr::proto gRPC::grpc++ nlohmann_json::nlohmann_json)
    endif()
    target_precompile_headers(${name} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${name})
endfunction()
