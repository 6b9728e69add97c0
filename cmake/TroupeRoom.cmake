# What the CMakeLists.txt of a room uses.

# troupe_room(troupe_config SOURCES a.cpp... DEPENDS troupe::expected... PRIVATE troupe::torch...):
# one room, one static library. Includes are written from the repository root:
# #include "config/settings.hpp". What only the room's own sources include belongs to PRIVATE: its
# headers do not reach the rooms above.
function(troupe_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PRIVATE")
  if(troupe::torch IN_LIST arg_DEPENDS) # Torch headers stay in their room
    list(REMOVE_ITEM arg_DEPENDS troupe::torch)
    list(APPEND arg_PRIVATE troupe::torch)
  endif()
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC troupe::version ${arg_DEPENDS}
      PRIVATE troupe_warnings ${arg_PRIVATE})
    add_dependencies(${name} troupe_write_version)
  else() # headers only
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE troupe::version ${arg_DEPENDS} ${arg_PRIVATE})
  endif()
endfunction()

# troupe_executable(NAME SOURCES a.cpp... DEPENDS lib...): a program, sanitized like the rest.
function(troupe_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE troupe_warnings troupe::version ${arg_DEPENDS})
  add_dependencies(${name} troupe_write_version)
  if(TROUPE_SANITIZE)
    target_link_libraries(${name} PRIVATE troupe_sanitizer_options)
  endif()
endfunction()

# troupe_test(NAME SOURCES a.cpp... DEPENDS lib... [LABELS unit] [TIMEOUT 300] [WAITS]): a GoogleTest program
# with its main, one of ctest's tests: a process for each case would load LibTorch some 400 times.
# Labels: `unit` (the default) and `smoke` run under the sanitizers too, `e2e` and anything else in
# release only. WAITS: for databases, downloads and clocks more than for a core, so that another may run
# beside it. TROUPE_BINARY and TROUPE_SOURCE in its environment are the server's binary and the
# repository root.
function(troupe_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WAITS" "TIMEOUT" "SOURCES;DEPENDS;LABELS")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  troupe_executable(${name} SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} troupe::gtest_main)
  # What is tested is the libraries, at their own level: the tests' sources compile in two thirds of the time with -O1,
  # and in half of it without any where the sanitizers look on.
  target_compile_options(${name} PRIVATE $<IF:$<CONFIG:Debug>,-O0,-O1>)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} RUN_SERIAL ON
    ENVIRONMENT "TROUPE_BINARY=${PROJECT_BINARY_DIR}/troupe;TROUPE_SOURCE=${PROJECT_SOURCE_DIR}")
  if(arg_WAITS)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL OFF)
  endif()
endfunction()

find_program(TROUPE_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(NOT TROUPE_PYTHON)
  find_program(TROUPE_PYTHON NAMES python3 REQUIRED)
endif()

# troupe_python_test(NAME FILE...): tests in Python that need neither a build nor a server; with the unit tests.
function(troupe_python_test name)
  add_test(NAME ${name} COMMAND ${TROUPE_PYTHON} -m pytest -q -p no:cacheprovider ${ARGN}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS unit RUN_SERIAL ON
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;TROUPE_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()

# troupe_precompile(TARGET <ATen/ATen.h>...): precompiles heavy headers for all sources of a target.
# troupe_precompile(TARGET REUSE other): takes other's; both must have the same flags and defines.
function(troupe_precompile target)
  if("${ARGV1}" STREQUAL "REUSE")
    target_precompile_headers(${target} REUSE_FROM ${ARGV2})
  else()
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()
