# videodiffcr_library(NAME SOURCES ... DEPS ... [PRIVATE_DEPS ...] [TORCH]): one library per folder, alias videodiffcr::NAME.
# videodiffcr_executable(NAME SOURCES ... DEPS ... [TORCH]): lands in build/<preset>/bin.
# videodiffcr_test(NAME SOURCES ... DEPS ... [TORCH] [LABELS ...] [TIMEOUT seconds]): a GoogleTest program, one ctest entry.
# TORCH lets a target see LibTorch's headers; a target without it must not include a header that includes Torch.

# Here and where it is installed (client_package.cmake).
set(VIDEODIFFCR_INCLUDE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/videodiffcr>)

function(videodiffcr_configure target)
  target_compile_options(${target} PRIVATE ${VIDEODIFFCR_WARNINGS})
endfunction()

function(videodiffcr_library name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  set(target videodiffcr_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_include_directories(${target} PUBLIC ${VIDEODIFFCR_INCLUDE})
    target_link_libraries(${target} PUBLIC ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
    videodiffcr_configure(${target})
    if(arg_TORCH)
      target_include_directories(${target} SYSTEM PRIVATE $<TARGET_PROPERTY:videodiffcr_torch,INTERFACE_INCLUDE_DIRECTORIES>)
      target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:videodiffcr_torch,INTERFACE_COMPILE_DEFINITIONS>)
      target_link_libraries(${target} INTERFACE $<LINK_ONLY:videodiffcr_torch>)
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${VIDEODIFFCR_INCLUDE})
    target_link_libraries(${target} INTERFACE ${arg_DEPS})
  endif()
  add_library(videodiffcr::${name} ALIAS ${target})
endfunction()

function(videodiffcr_executable name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  if(arg_TORCH)
    target_link_libraries(${name} PRIVATE videodiffcr_torch)
  endif()
  videodiffcr_configure(${name})
endfunction()

function(videodiffcr_test name)
  cmake_parse_arguments(arg "TORCH" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  videodiffcr_executable(${name} SOURCES ${arg_SOURCES} DEPS ${arg_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  if(arg_TORCH)
    target_link_libraries(${name} PRIVATE videodiffcr_torch)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  # The folder under tests/ is a label, too: `ctest -L scheduler`.
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "/.*" "" folder ${folder})
  list(APPEND arg_LABELS ${folder})
  if(NOT arg_TIMEOUT AND NOT VIDEODIFFCR_SANITIZER STREQUAL "")
    set(arg_TIMEOUT 900)  # the simulation of a thousand loads takes half a minute there with a processor of its own
  elseif(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  # Each test has its own place for files (testing::TempDir()), so that no other, of another checkout either, takes them.
  set(temporary_folder ${PROJECT_BINARY_DIR}/tests/tmp/${name})
  file(MAKE_DIRECTORY ${temporary_folder})
  # One ATen thread under the thread sanitizer: OpenMP inside LibTorch is not instrumented.
  set(environment "VIDEODIFFCR_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}" "VIDEODIFFCR_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "TEST_TMPDIR=${temporary_folder}")
  if(VIDEODIFFCR_SANITIZER STREQUAL "thread")
    list(APPEND environment "TSAN_OPTIONS=ignore_noninstrumented_modules=1 suppressions=${PROJECT_SOURCE_DIR}/tests/tsan_suppressions.txt" "OMP_NUM_THREADS=1")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${environment}")
endfunction()
