# cmake -D SOURCE_DIR= -D OUTPUT= -D PROJECT= ... -P write_version.cmake

set(GIT "")
find_program(git git)
if(git)
  execute_process(
    COMMAND ${git} -c safe.directory=* -C ${SOURCE_DIR} describe --always --dirty --tags --exclude=*/*
    OUTPUT_VARIABLE GIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.hpp.in ${OUTPUT} @ONLY)
