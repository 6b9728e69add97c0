#pragma once
// The memory ledger: what decisions are made on, never RSS. Counts each unique mapping once at its full
// length, one that a load in flight is going to make too, private bytes, reservations of loads in flight, and what
// still drains. Owned by the supervisor; not thread-safe.
//
// A lease:  -- reserve() --> reserved -- resident() --> held -- draining() --> draining -- release() --> forgotten
//                                \                                              ^              ^
//                                 +-- called off, but loaded all the same -------+              |
//                                 +-- the load has failed --------------------------------------+
//
// What holds:
// L1  A lease has a reservation or holds memory, never both.
// L2  A planned file is one of a reservation, with as many users as reservations name it.
// L3  A mapping has as many users as leases hold it, and as many of them drain as those leases do.
// L4  The sums are those of the leases: private bytes, private bytes of reservations; of the mappings: their lengths,
//     and how many are of a file.

#include <cstdint>
#include <map>
#include <unordered_map>

#include "actors/protocol/lease.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

class ledger {
 public:
  // A load in flight holds a reservation under its lease until resident() corrects it. REQUIRES a lease that is not
  // known.
  void reserve(lease_id lease, const inference::memory_estimate& estimate);
  // What such a reservation would add: a file that another lease has mapped, or will, is not counted again, unless
  // that one drains.
  std::uint64_t additional_bytes(const inference::memory_estimate& estimate) const;
  // The model is loaded: its real use replaces the reservation. REQUIRES a lease with a reservation.
  void resident(lease_id lease, const inference::memory_use& use);
  // Private bytes move while a model runs (states, instances). REQUIRES, as all below, that the lease is known.
  void update_private(lease_id lease, std::uint64_t private_bytes);
  // Unloaded, but the memory is not back yet.
  void draining(lease_id lease);
  // The memory is back (or the load failed): returns what was credited. A mapping that another lease still
  // uses is not credited. Nothing for a lease that is not known: a load may fail before it reserves.
  std::uint64_t release(lease_id lease);

  std::uint64_t used_bytes() const noexcept { return mapped_ + private_ + reserved_bytes(); }
  std::uint64_t reserved_bytes() const noexcept;
  // What release() of all draining leases would credit.
  std::uint64_t draining_bytes() const;
  // What release(lease) would credit if the draining ones were gone already; without what is mapped of the file
  // `but_for`.
  std::uint64_t exclusive_bytes(lease_id lease, const std::string& but_for = {}) const;
  // Mappings at full length plus private bytes of one lease: what a client is shown for one model.
  std::uint64_t bytes_of(lease_id lease) const;
  bool knows(lease_id lease) const { return leases_.contains(lease); }

 private:
  struct entry {
    inference::memory_estimate reserved;           // nothing from resident() on
    std::uint64_t private_bytes = 0;               // nothing before
    std::vector<inference::mapping_use> mappings;  // likewise
    bool draining = false;                         // never again false
  };
  struct mapping {
    std::uint64_t size_bytes = 0;  // as its first user told
    std::string file;
    std::uint32_t users = 0, draining_users = 0;  // draining_users <= users, users > 0
  };
  struct planned {  // a file that loads in flight are going to map
    std::uint64_t size_bytes = 0;  // the largest that any of them told
    std::uint32_t users = 0;       // > 0
  };
  bool sound() const;  // L1 to L4, for asserts: it looks at everything
  void drop_reservation(entry& e);
  bool is_planned(const std::string& file) const { return !file.empty() && planned_.contains(file); }
  bool is_mapped(const std::string& file) const { return files_.contains(file); }

  std::map<lease_id, entry> leases_;
  std::unordered_map<std::uint64_t, mapping> mappings_;   // by their id
  std::unordered_map<std::string, planned> planned_;      // by their file; counted while no mapping of it is known
  std::unordered_map<std::string, std::uint32_t> files_;  // how many of mappings_ are of the file
  std::uint64_t mapped_ = 0, private_ = 0, reserved_private_ = 0;
};

}  // namespace troupe::actors
