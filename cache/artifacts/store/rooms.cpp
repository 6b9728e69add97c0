#include "cache/artifacts/store/rooms.hpp"

#include <algorithm>
#include <cstdio>
#include <list>
#include <mutex>

#include "cache/artifacts/store/disk.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

std::uint64_t allocated_in(const fs::path& folder) {
  std::uint64_t sum = 0;
  disk::each_file(folder, [&](const fs::path&, const disk::entry& e) { sum += e.allocated_bytes; });
  return sum;
}

struct promise {
  std::uint64_t bytes = 0, before_bytes = 0;
  fs::path growing;
  std::uint64_t unfilled() const {
    if (growing.empty()) return bytes;
    if (!disk::is_folder(growing)) return 0;
    const auto now = allocated_in(growing);
    return bytes - std::min(bytes, now - std::min(now, before_bytes));
  }
};

}  // namespace

std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept { return a + b < a ? ~0ull : a + b; }

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1'000'000) return std::to_string(bytes) + " bytes";
  const bool large = bytes >= 1'000'000'000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", static_cast<double>(bytes) / (large ? 1e9 : 1e6), large ? "GB" : "MB");
  return text;
}

struct rooms::board {
  std::mutex mutex;
  std::list<promise> promises;
};

rooms::rooms() : board_(std::make_shared<board>()) {}

result<std::shared_ptr<void>> rooms::reserve(std::uint64_t bytes, const fs::path& growing,
                                             const std::function<result<void>(std::uint64_t)>& fits) {
  const std::lock_guard guard(board_->mutex);
  auto together = bytes;
  for (const auto& p : board_->promises) together = saturated_sum(together, p.unfilled());
  if (auto ok = fits(together); !ok) return tl::unexpected(ok.error());
  const auto mine = board_->promises.insert(board_->promises.end(),
                                            promise{bytes, growing.empty() ? 0 : allocated_in(growing), growing});
  return std::shared_ptr<void>(&*mine, [board = board_, mine](void*) {
    const std::lock_guard back(board->mutex);
    board->promises.erase(mine);
  });
}

}  // namespace troupe::cache
