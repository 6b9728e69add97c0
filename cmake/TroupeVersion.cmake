# generated/config/version.hpp: brought up to date by every build, rewritten only when it changes.

set(sanitized false)
if(TROUPE_SANITIZE)
  set(sanitized true)
endif()
set(TROUPE_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
set(write_version ${CMAKE_COMMAND}
  -D SOURCE_DIR=${PROJECT_SOURCE_DIR} -D OUTPUT=${TROUPE_GENERATED_DIR}/config/version.hpp
  -D PROJECT=${PROJECT_VERSION} -D TORCH=${TORCH_VERSION} -D CAF=${CAF_VERSION}
  -D RESTINIO=${RESTINIO_VERSION} -D BUILD_TYPE=${CMAKE_BUILD_TYPE}
  -D SANITIZED=${sanitized}
  -P ${CMAKE_CURRENT_LIST_DIR}/write_version.cmake)
execute_process(COMMAND ${write_version}) # for tools that read the sources without a build
add_custom_target(troupe_write_version
  COMMAND ${write_version}
  BYPRODUCTS ${TROUPE_GENERATED_DIR}/config/version.hpp
  COMMENT "Checking version.hpp" VERBATIM)

add_library(troupe_version INTERFACE)
add_library(troupe::version ALIAS troupe_version)
target_include_directories(troupe_version INTERFACE ${TROUPE_GENERATED_DIR})
add_dependencies(troupe_version troupe_write_version)
