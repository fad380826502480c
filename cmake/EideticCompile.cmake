# How every target of the project is compiled: C++20, warnings are errors,
# sanitizers by preset, one precompiled header a folder, ccache when there is one.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# The program ends as build/eidetic; installed, it finds its libraries beside it.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/eidetic")

find_program(EIDETIC_CCACHE ccache)
if(EIDETIC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The variables make cached results of precompiled headers usable.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${EIDETIC_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${EIDETIC_CCACHE})
endif()

add_library(eidetic_compile INTERFACE)
target_include_directories(eidetic_compile INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_definitions(eidetic_compile INTERFACE EIDETIC_VERSION="${PROJECT_VERSION}")
target_compile_options(eidetic_compile INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wunused-result)
if(EIDETIC_SANITIZE)
  add_compile_options(-fsanitize=${EIDETIC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${EIDETIC_SANITIZE})
endif()

# Debian's Abseil hides its mutexes from ThreadSanitizer; this shows them, in every
# program.
if(EIDETIC_SANITIZE MATCHES "thread")
  add_library(eidetic_absl_mutex_annotations STATIC "${PROJECT_SOURCE_DIR}/tests/sanitizers/absl_mutex_annotations.cc")
  target_link_libraries(eidetic_absl_mutex_annotations PRIVATE ${CMAKE_DL_LIBS})
  target_link_libraries(eidetic_compile INTERFACE
    "$<LINK_LIBRARY:WHOLE_ARCHIVE,eidetic_absl_mutex_annotations>" ${CMAKE_DL_LIBS})
endif()

# eidetic_library(NAME SOURCES … DEPENDS …): a static library of one folder.
function(eidetic_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC eidetic_compile ${ARG_DEPENDS})
endfunction()

# eidetic_test(NAME SOURCES … DEPENDS … LABELS … TIMEOUT …): one GoogleTest
# program. LABELS defaults to "unit".
function(eidetic_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} eidetic_test_environment GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
