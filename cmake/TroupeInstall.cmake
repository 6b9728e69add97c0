# A tree that can be moved: bin/troupe, lib/ with every library that a bare Debian lacks,
# share/troupe/models. The program finds share/troupe relative to itself.

# RPATH rather than RUNPATH: it also serves the libraries that our libraries need.
target_link_options(troupe PRIVATE -Wl,--disable-new-dtags)
set_target_properties(troupe PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")

# In the build tree share/troupe lies beside the program, with the repository's models.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/troupe)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/models ${PROJECT_BINARY_DIR}/share/troupe/models SYMBOLIC)

# Debian's own: the C and C++ runtime, and OpenSSL, whose security fixes must not wait for us.
install(TARGETS troupe
  RUNTIME_DEPENDENCIES
    PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|rt|dl|util|pthread|stdc\\+\\+|gcc_s|ssl|crypto|asan|ubsan)\\.so"
    POST_EXCLUDE_REGEXES "^/lib64/"
    DIRECTORIES ${TORCH_LIBRARY_DIR}
  RUNTIME DESTINATION bin
  LIBRARY DESTINATION lib)
# A GPU build opens further libraries at run time.
if(EXISTS ${TORCH_LIBRARY_DIR}/libtorch_cuda.so)
  install(DIRECTORY ${TORCH_LIBRARY_DIR}/ DESTINATION lib FILES_MATCHING PATTERN "*.so*"
    PATTERN "libtorch_python.so" EXCLUDE PATTERN "libshm*" EXCLUDE)
  file(GLOB nvidia ${TORCH_LIBRARY_DIR}/../../nvidia/*/lib)
  foreach(folder ${nvidia})
    install(DIRECTORY ${folder}/ DESTINATION lib FILES_MATCHING PATTERN "*.so*")
  endforeach()
endif()
install(DIRECTORY models DESTINATION share/troupe
  PATTERN "train*" EXCLUDE PATTERN "*.py" EXCLUDE PATTERN "__pycache__" EXCLUDE)
