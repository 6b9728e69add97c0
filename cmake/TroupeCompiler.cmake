# How our own code is compiled, and what makes rebuilds fast.

option(TROUPE_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(TROUPE_BENCH "build the benchmarks" OFF)
option(TROUPE_WERROR "warnings in our code are errors" ON)
set(TROUPE_LINKER "mold" CACHE STRING "linker for -fuse-ld; the compiler's default where it is missing")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# The binary runs on other CPUs than the one it was built on; LibTorch picks its kernels at run time.
# Asserts are for debug builds and the sanitizers (make debug): what is served runs without.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_COLOR_DIAGNOSTICS ON)

# For a room that does not compute: with the sanitizers, optimisation doubles the time to compile.
macro(troupe_no_debug_optimisation)
  add_compile_options($<$<CONFIG:Debug>:-O0>)
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

# Headers found through a SYSTEM path give no warnings: these are for our code only.
add_library(troupe_warnings INTERFACE)
target_compile_options(troupe_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor $<$<BOOL:${TROUPE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees an overlap in "literal" + std::string where there is none (its bug 105651).
  target_compile_options(troupe_warnings INTERFACE -Wno-restrict)
endif()

if(TROUPE_SANITIZE)
  # UBSan stays recoverable at compile time, as suppressions need; sanitizer_options.cpp makes the
  # first report end the process.
  add_compile_options(-fsanitize=address,undefined)
  add_link_options(-fsanitize=address,undefined)
  add_library(troupe_sanitizer_options OBJECT ${CMAKE_CURRENT_LIST_DIR}/sanitizer_options.cpp)
  target_compile_definitions(troupe_sanitizer_options PRIVATE
    TROUPE_UBSAN_SUPPRESSIONS="${CMAKE_CURRENT_LIST_DIR}/ubsan.supp"
    TROUPE_LSAN_SUPPRESSIONS="${CMAKE_CURRENT_LIST_DIR}/lsan.supp")
endif()

find_program(TROUPE_LINKER_PROGRAM ld.${TROUPE_LINKER})
if(TROUPE_LINKER_PROGRAM)
  add_link_options(-fuse-ld=${TROUPE_LINKER})
endif()

find_program(TROUPE_CCACHE ccache)
if(TROUPE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers are cached only with these; the base folder lets clones share the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${TROUPE_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()
