# How a folder becomes a library and its tests. One folder = one static library; the files beside
# it that end in _test.cc become one test program, a main.cc becomes the program named by PROGRAM.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(IPOP_TESTS "build the tests" ON)
option(IPOP_FUZZ "build fuzz targets for libFuzzer (clang)" OFF)
option(IPOP_SYSTEM_TESTS "register what needs the shipped build: purity and end-to-end tests" OFF)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(IPOP_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror
                    -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # These come from g++ 12's optimiser and misfire inside its own vector, string and variant.
  # The sanitizers, clang and its analyser look for the real ones.
  add_compile_options(-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow
                      -Wno-stringop-overread -Wno-restrict)
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)

# ipop_link_packages(TARGET libcrypto ...): pkg-config packages, private to the target.
function(ipop_link_packages target)
  foreach(package ${ARGN})
    string(MAKE_C_IDENTIFIER ${package} id)
    pkg_check_modules(PC_${id} REQUIRED IMPORTED_TARGET ${package})
    target_link_libraries(${target} PRIVATE PkgConfig::PC_${id})
  endforeach()
endfunction()

# ipop_module(NAME wire [CORE] [DEPS base ...] [PKG libcrypto ...] [PROGRAM ipopd])
# CORE: sans I/O; built without exceptions and RTTI, its symbols are checked by tests/tidy.
function(ipop_module)
  cmake_parse_arguments(M "CORE" "NAME;PROGRAM" "DEPS;PKG" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    message(FATAL_ERROR "${M_NAME}: a folder has its files or does not exist")
  endif()
  add_library(ipop_${M_NAME} STATIC ${sources})
  set_target_properties(ipop_${M_NAME} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(ipop_${M_NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  if(M_CORE)
    target_compile_options(ipop_${M_NAME} PRIVATE -fno-exceptions -fno-rtti)
    set_property(GLOBAL APPEND PROPERTY IPOP_CORE_MODULES ${M_NAME})
  endif()
  foreach(dep ${M_DEPS})
    target_link_libraries(ipop_${M_NAME} PUBLIC ipop_${dep})
  endforeach()
  ipop_link_packages(ipop_${M_NAME} ${M_PKG})
  if(M_PROGRAM)
    add_executable(${M_PROGRAM} main.cc)
    target_link_libraries(${M_PROGRAM} PRIVATE ipop_${M_NAME})
  endif()
  if(IPOP_TESTS AND tests)
    # The simulation runs once, under the sanitizers; everything else in every build.
    if(M_NAME MATCHES "^(sim|ring_sim|sim_run)$")
      set(label simulation)
      set(timeout 900)  # a thousand members under the sanitizers
    else()
      set(label unit)
      set(timeout 300)
    endif()
    add_executable(${M_NAME}_test ${tests})
    target_link_libraries(${M_NAME}_test PRIVATE ipop_${M_NAME} GTest::gtest_main)
    gtest_discover_tests(${M_NAME}_test TEST_PREFIX "${M_NAME}/" DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT ${timeout} LABELS ${label})
  endif()
endfunction()
