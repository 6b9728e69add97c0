// Defaults of the sanitizers, in every sanitized program: the same under ctest, in an end-to-end
// test and by hand. The environment (ASAN_OPTIONS and the like) still overrides them.

extern "C" {
const char* __asan_default_options();
const char* __ubsan_default_options();
const char* __lsan_default_options();

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=0:allocator_may_return_"
         "null=1";
}

const char* __ubsan_default_options() {
  return "halt_on_error=1:print_stacktrace=1:suppressions=" TROUPE_UBSAN_SUPPRESSIONS;
}

const char* __lsan_default_options() { return "print_suppressions=0:suppressions=" TROUPE_LSAN_SUPPRESSIONS; }
}
