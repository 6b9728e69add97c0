# troupe::tokenizers: Rust's tokenizers library behind inference/text/library/library.h, built by cargo. One build for
# all configurations, in build/cargo: cargo knows what has changed, and takes turns with itself.

# Debian's (cargo-web, rustc-web) before any other: that is what setup-packages.sh installs.
unset(TROUPE_CARGO CACHE) # found anew each time: it may have been installed since
find_program(TROUPE_CARGO cargo PATHS /usr/bin NO_DEFAULT_PATH)
if(NOT TROUPE_CARGO)
  find_program(TROUPE_CARGO cargo HINTS $ENV{HOME}/.cargo/bin)
endif()
if(NOT TROUPE_CARGO)
  message(FATAL_ERROR "no cargo: install Debian's cargo-web and rustc-web (scripts/setup-packages.sh), or rustup")
endif()
cmake_path(GET TROUPE_CARGO PARENT_PATH rust_folder)
set(rustc ${rust_folder}/rustc) # cargo alone would take the first one of PATH
execute_process(COMMAND ${rustc} --version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" RUST_VERSION "${version}")
if(NOT RUST_VERSION OR RUST_VERSION VERSION_LESS 1.85)
  message(FATAL_ERROR "Rust '${RUST_VERSION}' in ${rust_folder}: 1.85 or newer is needed "
    "(Debian 12: cargo-web and rustc-web)")
endif()
message(STATUS "Rust ${RUST_VERSION}: ${TROUPE_CARGO}")

set(crate ${PROJECT_SOURCE_DIR}/inference/text/library)
set(cargo_target ${PROJECT_SOURCE_DIR}/build/cargo)
set(tokenizers_library ${cargo_target}/release/libtroupe_tokenizers.a)
add_custom_command(OUTPUT ${tokenizers_library}
  COMMAND ${CMAKE_COMMAND} -E env --unset=RUSTFLAGS RUSTC=${rustc} CARGO_TARGET_DIR=${cargo_target}
    RUSTONIG_SYSTEM_LIBONIG=0 ${TROUPE_CARGO} build --release --locked --quiet --manifest-path ${crate}/Cargo.toml
  COMMAND ${CMAKE_COMMAND} -E touch_nocreate ${tokenizers_library} # it counts as made, though nothing had changed
  DEPENDS ${crate}/Cargo.toml ${crate}/Cargo.lock ${crate}/src/lib.rs ${crate}/src/unigram.rs
  COMMENT "Building the tokenizers library (cargo)" USES_TERMINAL VERBATIM)
add_custom_target(troupe_tokenizers_build DEPENDS ${tokenizers_library})

add_library(troupe_tokenizers STATIC IMPORTED GLOBAL)
set_target_properties(troupe_tokenizers PROPERTIES IMPORTED_LOCATION ${tokenizers_library})
target_link_libraries(troupe_tokenizers INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
add_dependencies(troupe_tokenizers troupe_tokenizers_build)
add_library(troupe::tokenizers ALIAS troupe_tokenizers)
