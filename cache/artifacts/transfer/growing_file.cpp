#include "cache/artifacts/transfer/growing_file.hpp"

#include <utility>

#include <spdlog/spdlog.h>

namespace troupe::cache {
namespace {

constexpr std::uint64_t hash_step_bytes = 1 << 20;
constexpr auto record_every = std::chrono::seconds(1);  // what a killed process loses is what came in two of these

}  // namespace

growing_file::growing_file(partial_file file, std::string identity, hash_thread& hashes, std::function<void()> changed)
    : file_(std::move(file)),
      identity_(std::move(identity)),
      hashes_(hashes),
      changed_(std::move(changed)),
      recorded_(file_.kept().whole),
      recorded_at_(steady_clock::now()) {
  begin_hash(file_.kept().whole, file_.kept().sha256);
}

growing_file::~growing_file() { hashes_.drop(*hash_); }

void growing_file::begin_hash(std::uint64_t kept_bytes, const std::string& kept_sha256) {
  if (hash_) hashes_.drop(*hash_);
  told_ = kept_bytes;
  hash_ = hashes_.begin(file_.descriptor(), file_.path(), kept_bytes, kept_sha256, changed_);
}

void growing_file::grown_to(std::uint64_t prefix, bool all) {
  if (prefix <= told_ || (!all && prefix < told_ + hash_step_bytes)) return;
  told_ = prefix;
  hashes_.extend(*hash_, told_);
}

void growing_file::record(std::optional<std::uint64_t> size, const std::string& etag) {
  recorded_at_ = steady_clock::now();
  const auto hashed = look();
  if (!can_be_kept() || hashed.kept_differ || hashed.bytes <= recorded_) return;
  if (auto ok = file_.record({identity_, size, hashed.bytes, hashed.sha256, etag}); !ok) {
    spdlog::warn("{}", ok.error().message);
    return;
  }
  recorded_ = hashed.bytes;
}

void growing_file::record_sometimes(steady_time now, std::uint64_t prefix, std::optional<std::uint64_t> size,
                                    const std::string& etag) {
  if (!can_be_kept() || now < recorded_at_ + record_every) return;
  record(size, etag);
  grown_to(prefix, true);  // a slow line's last bytes are hashed by the next time
}

result<void> growing_file::restart() {
  recorded_ = 0;
  if (auto ok = file_.start_over(); !ok) return ok;
  begin_hash(0, {});
  return {};
}

void growing_file::keep_recorded(std::optional<std::uint64_t> size, const std::string& etag) {
  record(size, etag);
  if (!can_be_kept() || recorded_ == 0 || look().kept_differ) return file_.remove();
  if (auto ok = file_.cut(recorded_); !ok) spdlog::warn("{}", ok.error().message);
}

}  // namespace troupe::cache
