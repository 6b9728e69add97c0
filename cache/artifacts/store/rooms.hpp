#pragma once
// Room on the disk that was promised and is not filled yet. Owned by a store; thread-safe.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/error.hpp"

namespace troupe::cache {

// "12.3 GB"
std::string size_text(std::uint64_t bytes);
// At most the largest number.
std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept;

class rooms {
 public:
  rooms();
  // Promises `bytes`, unless `fits`, told of all that is promised with them, has an error. What lies in the folder
  // `growing` more than now counts as filled, and all of it once the folder is gone; empty: nothing does. Given back
  // with the returned object, which may outlive this.
  result<std::shared_ptr<void>> reserve(std::uint64_t bytes, const std::filesystem::path& growing,
                                        const std::function<result<void>(std::uint64_t)>& fits);

 private:
  struct board;
  std::shared_ptr<board> board_;
};

}  // namespace troupe::cache
