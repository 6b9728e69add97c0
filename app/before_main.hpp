#pragma once
// What must be done before main, and before LibTorch's libraries are initialised, which takes some hundred milliseconds.
// - `troupe serve` blocks SIGHUP: a change of the registry that is announced meanwhile waits, and does not end it.
// - A working directory that has been deleted is left for "/": MKL ends the process where it cannot tell its own.

namespace troupe::app {

// While it lives the process is back in its deleted working directory, if it had one: so that a relative path is an
// error and means nothing else, and so that who is executed finds what this process found. One thread.
class in_lost_folder {
 public:
  in_lost_folder();
  ~in_lost_folder();
  in_lost_folder(const in_lost_folder&) = delete;
  in_lost_folder& operator=(const in_lost_folder&) = delete;
};

}  // namespace troupe::app
