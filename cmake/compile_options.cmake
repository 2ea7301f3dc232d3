# Warnings, sanitizers and CUDA architectures. Nothing here is about one target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

find_program(VIDEODIFFCR_CCACHE ccache)
if(VIDEODIFFCR_CCACHE)
  # The sloppiness is what ccache wants for precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${VIDEODIFFCR_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# Some three hundred programs are linked, most of them tests: mold takes a sixth of the time of GNU ld. Not where nvcc links.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=mold VIDEODIFFCR_LINKS_WITH_MOLD)
if(VIDEODIFFCR_LINKS_WITH_MOLD)
  add_link_options($<$<LINK_LANGUAGE:CXX>:-fuse-ld=mold>)
endif()

if(VIDEODIFFCR_SANITIZER STREQUAL "address")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined> $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined> $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer> -O1)
  add_link_options(-fsanitize=address,undefined)
elseif(VIDEODIFFCR_SANITIZER STREQUAL "thread")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=thread> $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>
                      $<$<NOT:$<CONFIG:Debug>>:-O1>)
  add_link_options(-fsanitize=thread)
elseif(NOT VIDEODIFFCR_SANITIZER STREQUAL "")
  message(FATAL_ERROR "VIDEODIFFCR_SANITIZER is '${VIDEODIFFCR_SANITIZER}'; it may be address, thread or empty")
endif()

if(VIDEODIFFCR_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "VIDEODIFFCR_FUZZ needs Clang (libFuzzer), not ${CMAKE_CXX_COMPILER_ID}: use the preset fuzz")
  endif()
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)  # coverage for the fuzzer, in every library
endif()

# Applied by videodiffcr_library and videodiffcr_executable, not globally: generated code and headers of others are not ours to mend.
set(VIDEODIFFCR_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra> $<$<COMPILE_LANGUAGE:CXX>:-Wno-sign-compare>
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports a false overlap in "literal" + std::string, GoogleTest's printers included (GCC bug 105651).
  list(APPEND VIDEODIFFCR_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    # g++ 14 takes the string of a std::variant for uninitialized where a list of structs that hold one is made.
    list(APPEND VIDEODIFFCR_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 18)
    # From 18 on clang mangles the names of constrained templates otherwise than the g++ that built the system's Abseil.
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fclang-abi-compat=17>)
  endif()
  list(APPEND VIDEODIFFCR_WARNINGS $<$<COMPILE_LANGUAGE:CXX>:-Wthread-safety> $<$<COMPILE_LANGUAGE:CXX>:-Werror=thread-safety>)
endif()

if(VIDEODIFFCR_CUDA)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  set(CMAKE_CUDA_ARCHITECTURES 90a)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 cannot ask nvcc 13 for C++20
endif()
