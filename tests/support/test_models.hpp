#pragma once
// Models that exist for tests only. An artifact whose file name is `test:KIND[:MILLISECONDS][.pt]` gives one
// (a real TorchScript file lies there, so that size and fingerprint are found in the usual way):
//
//   echo      a text's class follows from its bytes (FNV-1a); a tensor comes back
//   step      a stepping model: the text "N" or "N anything" gives N pieces, one a step; the state counts
//   sleep     echo that takes MILLISECONDS a batch
//   throw     echo that throws when a row's text holds "boom"
//   hang      echo whose batch never returns when a row's text holds "hang"
//   badwarm   echo whose warm-up throws
//   fatinput  echo that has no memory for a text that holds "fat", and throws no std::exception for one that holds "odd"
//   fatwarm   echo whose warm-up input does not fit into memory
//   hangwarm  echo whose warm-up never returns
//   slowload  echo that takes MILLISECONDS to load
//   badload   fails to load
//   fatload   throws something that is no std::exception while it loads

#include <atomic>
#include <cstdint>

namespace troupe::tests {

struct test_counters {
  std::atomic<std::uint64_t> loads{0}, unloads{0}, batches{0}, rows{0}, steps{0}, states_open{0}, states_made{0};
  std::atomic<std::uint64_t> largest_batch{0};
};
test_counters& counters();

// Adds the format; once, before the first load.
void register_test_models();

}  // namespace troupe::tests
