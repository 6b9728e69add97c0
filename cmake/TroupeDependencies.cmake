# Debian's libraries as imported targets troupe::NAME, so that a room names what it uses and nothing
# else. All headers are SYSTEM: their warnings are not ours.

# troupe_import(NAME [HEADER header] [LIBRARIES lib...] [TARGETS target...] [DEFINES def...])
function(troupe_import name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER" "LIBRARIES;TARGETS;DEFINES")
  add_library(troupe_${name} INTERFACE)
  add_library(troupe::${name} ALIAS troupe_${name})
  if(arg_HEADER)
    find_path(TROUPE_${name}_INCLUDE_DIR ${arg_HEADER} REQUIRED)
    mark_as_advanced(TROUPE_${name}_INCLUDE_DIR)
    # /usr/include as -isystem would come before the compiler's own headers.
    if(NOT TROUPE_${name}_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
      target_include_directories(troupe_${name} SYSTEM INTERFACE ${TROUPE_${name}_INCLUDE_DIR})
    endif()
  endif()
  foreach(library ${arg_LIBRARIES})
    find_library(TROUPE_${library}_LIBRARY ${library} REQUIRED)
    mark_as_advanced(TROUPE_${library}_LIBRARY)
    target_link_libraries(troupe_${name} INTERFACE ${TROUPE_${library}_LIBRARY})
  endforeach()
  target_link_libraries(troupe_${name} INTERFACE ${arg_TARGETS})
  target_compile_definitions(troupe_${name} INTERFACE ${arg_DEFINES})
endfunction()

find_package(CURL 7.88 REQUIRED)
find_package(EXPAT 2.4 REQUIRED) # 2.4: entities that expand without end are stopped
find_package(OpenSSL REQUIRED)
find_package(SQLite3 3.39 REQUIRED) # 3.39: IS DISTINCT FROM
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)

troupe_import(caf HEADER caf/all.hpp LIBRARIES caf_core TARGETS Threads::Threads)
troupe_import(curl TARGETS CURL::libcurl)
troupe_import(expat TARGETS EXPAT::EXPAT)
troupe_import(openssl TARGETS OpenSSL::SSL OpenSSL::Crypto)
# Boost.Asio rather than the standalone one: Boost.Beast shares its sockets. Without co_await, as
# Boost 1.74's coroutine header does not compile by itself in C++20 and nothing here uses it.
troupe_import(asio HEADER boost/asio.hpp TARGETS Threads::Threads DEFINES BOOST_ASIO_DISABLE_CO_AWAIT)
troupe_import(restinio HEADER restinio/all.hpp LIBRARIES http_parser TARGETS fmt::fmt Threads::Threads
  DEFINES RESTINIO_USE_BOOST_ASIO BOOST_ASIO_DISABLE_CO_AWAIT)
troupe_import(hiredis HEADER hiredis/hiredis.h LIBRARIES hiredis)
troupe_import(simdjson HEADER simdjson.h LIBRARIES simdjson)
# The size of a document is a size_t; std::string in and out.
troupe_import(rapidjson HEADER rapidjson/document.h DEFINES RAPIDJSON_HAS_STDSTRING=1)
troupe_import(prometheus HEADER prometheus/registry.h LIBRARIES prometheus-cpp-core TARGETS Threads::Threads)
troupe_import(spdlog TARGETS spdlog::spdlog)
troupe_import(cli11 HEADER CLI/CLI.hpp)
troupe_import(expected HEADER tl/expected.hpp)
troupe_import(sqlite TARGETS SQLite::SQLite3)
find_path(TROUPE_libpq_INCLUDE_DIR libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
troupe_import(libpq HEADER libpq-fe.h LIBRARIES pq)
troupe_import(utf8proc HEADER utf8proc.h LIBRARIES utf8proc)
troupe_import(xxhash HEADER xxhash.h)
troupe_import(zlib TARGETS ZLIB::ZLIB)
troupe_import(zstd HEADER zstd.h LIBRARIES zstd)
troupe_import(gtest TARGETS GTest::gmock GTest::gtest)
troupe_import(gtest_main TARGETS troupe::gtest GTest::gmock_main)

find_file(TROUPE_CAF_CONFIG caf/config.hpp REQUIRED)
file(STRINGS ${TROUPE_CAF_CONFIG} line REGEX "define CAF_VERSION +[0-9]+")
string(REGEX MATCH "[0-9]+$" number "${line}")
math(EXPR major "${number} / 10000")
math(EXPR minor "${number} / 100 % 100")
math(EXPR patch "${number} % 100")
set(CAF_VERSION ${major}.${minor}.${patch})

find_file(TROUPE_RESTINIO_VERSION restinio/version.hpp REQUIRED)
file(STRINGS ${TROUPE_RESTINIO_VERSION} lines REGEX "define RESTINIO_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
list(JOIN numbers "." RESTINIO_VERSION)
message(STATUS "CAF ${CAF_VERSION}, RESTinio ${RESTINIO_VERSION}")
