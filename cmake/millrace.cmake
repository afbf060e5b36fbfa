# Build settings and the two functions every folder uses: millrace_library and millrace_test.
include_guard(GLOBAL)

option(MILLRACE_TESTS "Build the tests" ON)
option(MILLRACE_BENCH "Build the benchmarks" OFF)
set(MILLRACE_SANITIZE "" CACHE STRING "Sanitizers, comma-separated as for -fsanitize=")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(MILLRACE_SANITIZE)
  add_compile_options(-fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MILLRACE_SANITIZE})
endif()
# Line numbers in stack traces without the cost of full debug information.
add_compile_options($<$<CONFIG:Debug>:-g1> $<$<CONFIG:Debug>:-Og>)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffunction-sections -fdata-sections)
  add_link_options(-Wl,--gc-sections)
endif()

# Warnings for our own code only; foreign headers come in as SYSTEM.
set(MILLRACE_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in std::string's operator+ when it optimises (its bug 105651).
  list(APPEND MILLRACE_WARNINGS -Wno-restrict)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # And moves of a std::variant as reads of what was not written (bug 105593); debug builds warn.
    list(APPEND MILLRACE_WARNINGS -Wno-maybe-uninitialized)
  endif()
endif()

# -O2, not -O3: half the compile time, no measurable difference here, and fewer false warnings.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_package(Threads REQUIRED)

# millrace_library(mr_name SOURCES a.cc ... [DEPS mr_other ...] [PRIVATE_DEPS lib ...])
# An object-light static library of one layer folder. DEPS are direct dependencies, public.
function(millrace_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${MILLRACE_WARNINGS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} Threads::Threads PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# millrace_test(name SOURCES a_test.cc ... DEPS mr_x ...)
# One GoogleTest program; every case is a ctest entry of its own.
function(millrace_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${MILLRACE_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." PROPERTIES TIMEOUT ${ARG_TIMEOUT}
                       DISCOVERY_TIMEOUT 60 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
