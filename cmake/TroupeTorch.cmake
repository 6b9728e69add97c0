# troupe::torch: LibTorch without its own CMake config, which insists on a CUDA toolkit.
# TORCH_ROOT is a folder with include/ and lib/ (or a prefix such as /usr where a distribution
# installed it); without it, the one that scripts/fetch-libtorch.sh fetched.

file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/libtorch-cpu.txt pinned REGEX "^torch==")
string(REGEX REPLACE "^torch==([^ ]+).*" "\\1" pinned "${pinned}")

set(cache_home "$ENV{XDG_CACHE_HOME}")
if(NOT cache_home)
  set(cache_home "$ENV{HOME}/.cache")
endif()
set(kind cpu)
if("$ENV{TROUPE_GPU}" STREQUAL "1")
  set(kind cuda)
endif()
# The environment wins over what an earlier configuration kept, as `TORCH_ROOT=.. make build` means.
if(DEFINED ENV{TORCH_ROOT} AND NOT "$ENV{TORCH_ROOT}" STREQUAL "")
  set(TORCH_ROOT "$ENV{TORCH_ROOT}" CACHE PATH "LibTorch: a folder with include/ and lib/" FORCE)
else()
  set(TORCH_ROOT "${cache_home}/troupe/libtorch-${pinned}-${kind}/torch"
    CACHE PATH "LibTorch: a folder with include/ and lib/")
endif()
# Found anew each time: another TORCH_ROOT must not keep the former one's libraries.
unset(TORCH_CPU_LIBRARY CACHE)
unset(C10_LIBRARY CACHE)
unset(TORCH_INCLUDE_DIR CACHE)
unset(TORCH_API_INCLUDE_DIR CACHE)
set(places HINTS ${TORCH_ROOT} NO_DEFAULT_PATH)
find_path(TORCH_INCLUDE_DIR ATen/ATen.h ${places} PATH_SUFFIXES include)
find_path(TORCH_API_INCLUDE_DIR torch/torch.h ${places} PATH_SUFFIXES include/torch/csrc/api/include)
find_library(TORCH_CPU_LIBRARY torch_cpu ${places} PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE})
find_library(C10_LIBRARY c10 ${places} PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE})
if(NOT TORCH_INCLUDE_DIR OR NOT TORCH_API_INCLUDE_DIR OR NOT TORCH_CPU_LIBRARY OR NOT C10_LIBRARY)
  message(FATAL_ERROR "no LibTorch in ${TORCH_ROOT}: run scripts/fetch-libtorch.sh, or set TORCH_ROOT")
endif()
cmake_path(GET TORCH_CPU_LIBRARY PARENT_PATH TORCH_LIBRARY_DIR)

# The version header moved: headeronly from 2.9 on, the C++ API's folder before.
set(TORCH_VERSION "")
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS ${TORCH_INCLUDE_DIR}/${header} AND NOT TORCH_VERSION)
    file(STRINGS ${TORCH_INCLUDE_DIR}/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
    list(JOIN numbers "." TORCH_VERSION)
  endif()
endforeach()
if(NOT TORCH_VERSION OR TORCH_VERSION VERSION_LESS 2.6)
  message(FATAL_ERROR "LibTorch '${TORCH_VERSION}' in ${TORCH_ROOT}: 2.6 or newer is needed")
endif()
file(STRINGS ${C10_LIBRARY} new_abi REGEX "__cxx11" LIMIT_COUNT 1)
if(NOT new_abi)
  message(FATAL_ERROR "LibTorch in ${TORCH_ROOT} has the old C++ ABI: take a build with the new one")
endif()
message(STATUS "LibTorch ${TORCH_VERSION}: ${TORCH_ROOT}")

add_library(troupe_torch INTERFACE)
add_library(troupe::torch ALIAS troupe_torch)
# Searched after the system's: LibTorch brings headers of a newer {fmt}, which RESTinio and spdlog would
# find and then miss in Debian's libfmt.
target_compile_options(troupe_torch INTERFACE
  "SHELL:-idirafter ${TORCH_INCLUDE_DIR}" "SHELL:-idirafter ${TORCH_API_INCLUDE_DIR}")
# Undefined symbols of the shared libraries (CUDA's) are resolved when a GPU build opens them.
target_link_options(troupe_torch INTERFACE -Wl,--allow-shlib-undefined)
target_link_libraries(troupe_torch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY} Threads::Threads)

# troupe::omp: the OpenMP runtime that LibTorch itself runs on. A second one would be a second team of
# threads, and settings made in one would not reach the other.
file(GLOB gomp ${TORCH_LIBRARY_DIR}/libgomp*.so*)
list(APPEND gomp gomp) # a distribution's LibTorch takes the system's
list(GET gomp 0 gomp)
add_library(troupe_omp INTERFACE)
add_library(troupe::omp ALIAS troupe_omp)
target_link_libraries(troupe_omp INTERFACE ${gomp})
