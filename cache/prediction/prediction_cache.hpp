#pragma once
// Answers to repeated requests: a bounded LRU from (all that decides the answer, exact input) to output. Thread-safe;
// split into shards so that I/O and compute threads seldom meet. Owned by whoever makes it; shared() is the process's
// own.

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "inference/model/model.hpp"

namespace troupe::cache {

class prediction_cache {
 public:
  explicit prediction_cache(std::uint64_t capacity_bytes = 0) { set_capacity(capacity_bytes); }

  // 0 switches it off: nothing is found or kept.
  void set_capacity(std::uint64_t capacity_bytes);
  bool enabled() const noexcept { return capacity_.load(std::memory_order_relaxed) != 0; }

  // All that decides a model's answers beside the input: its name, version, precision, length, task, labels and what
  // else it says of itself. Two loads of one artifact share answers only where these are the same.
  static std::string answers_as(std::string_view model, const inference::model_info& info);
  // A key for that, what is asked, and an input. Inputs are kept whole: two never share an answer. Empty for kinds of
  // input whose answers are not kept (tensors, media, sound).
  static std::string key(std::string_view answers_as, const inference::question& asked, const inference::input& in);

  // What is kept of an answer.
  struct answer {
    inference::output value;
    std::uint32_t tokens = 0;  // that the network saw of the input; 0: not text
  };
  std::optional<answer> get(const std::string& key);
  // Nothing is kept when there is no memory for it.
  void put(const std::string& key, answer given);

  std::uint64_t size_bytes() const;
  std::uint64_t entries() const;

  static prediction_cache& shared();

 private:
  struct entry {
    std::string key;
    answer given;
    std::uint64_t size_bytes;
  };
  struct shard {
    mutable std::mutex mutex;
    std::list<entry> by_use;  // most recent first
    std::unordered_map<std::string_view, std::list<entry>::iterator> index;
    std::uint64_t size_bytes = 0;
  };
  shard& shard_of(std::string_view key);
  static void drop_last(shard& s);

  std::atomic<std::uint64_t> capacity_{0};
  std::array<shard, 8> shards_;
};

}  // namespace troupe::cache
