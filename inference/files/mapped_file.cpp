#include "inference/files/mapped_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "inference/model/step_aside.hpp"

namespace troupe::inference {
namespace {

// One step of touching or giving back: how long the address space may be busy, and a cancelled load
// goes on.
constexpr std::uint64_t chunk_bytes = 2U << 20U;

struct mapping_table {
  std::mutex mutex;
  std::map<file_state, std::weak_ptr<const weight_memory>> entries;
  // What this process has verified: what is mapped anew after an unload is not read through again. Forgotten as a whole
  // when it is full; then it is verified once more.
  std::set<file_state> verified;
  static constexpr std::size_t verified_max = 4096;
};
mapping_table& table() {
  static auto* t = new mapping_table;  // outlives every model
  return *t;
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> id{0};
  return ++id;
}

}  // namespace

weight_memory::weight_memory(std::byte* base, std::uint64_t size_bytes, std::shared_ptr<memory_account> account)
    : base_(base), size_bytes_(size_bytes), id_(next_id()), account_(std::move(account)) {
  if (account_) account_->charge(size_bytes_);
}

weight_memory::~weight_memory() {
  // The pages go piece by piece, the address range at once: with small pages one long unmap would hold
  // up every page fault and mapping of the process.
  for (std::uint64_t at = 0; at < size_bytes_; at += chunk_bytes) {
    step_aside();
    ::madvise(base_ + at, std::min(chunk_bytes, size_bytes_ - at), MADV_DONTNEED);
  }
  ::munmap(base_, size_bytes_);
  if (account_) account_->release(size_bytes_);
}

result<std::shared_ptr<const weight_memory>> weight_memory::map(const std::filesystem::path& path) {
  auto file = open_for_reading(path);
  if (!file) return tl::unexpected(file.error());
  const file_state& state = *file;
  if (state.size_bytes == 0) return fail(error_code::load_failed, path.string() + " is empty");
  auto key = state;
  key.changed_ns = 0;  // another name or other rights: the contents are the same
  auto& t = table();
  std::scoped_lock lock(t.mutex);
  std::erase_if(t.entries, [](const auto& e) { return e.second.expired(); });
  if (auto found = t.entries.find(key); found != t.entries.end())
    if (auto alive = found->second.lock()) return alive;
  void* base = ::mmap(nullptr, state.size_bytes, PROT_READ, MAP_PRIVATE, file->fd.get(), 0);
  if (base == MAP_FAILED) {
    const auto why = describe_errno(errno);
    return fail(error_code::insufficient_memory, "cannot map " + path.string() + ": " + why);
  }
  std::shared_ptr<weight_memory> made(new weight_memory(static_cast<std::byte*>(base), state.size_bytes, nullptr));
  made->file_ = state;
  made->verified_ = t.verified.contains(state);
  t.entries[key] = made;
  return made;
}

result<std::shared_ptr<weight_memory>> weight_memory::allocate(std::uint64_t size_bytes,
                                                               std::shared_ptr<memory_account> account) {
  void* base = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return fail(error_code::insufficient_memory, "cannot allocate " + std::to_string(size_bytes) + " bytes");
  return std::shared_ptr<weight_memory>(
      new weight_memory(static_cast<std::byte*>(base), size_bytes, std::move(account)));
}

void weight_memory::set_verified() const {
  verified_.store(true, std::memory_order_release);
  if (!file_) return;
  auto& t = table();
  const std::scoped_lock lock(t.mutex);
  if (t.verified.size() >= mapping_table::verified_max) t.verified.clear();
  t.verified.insert(*file_);
}

template <class F>
bool weight_memory::each_chunk(cancel_flag cancelled, F touch) const {
  for (std::uint64_t at = 0; at < size_bytes_; at += chunk_bytes) {
    if (is_cancelled(cancelled)) return false;
    step_aside();
    touch(at, std::min(chunk_bytes, size_bytes_ - at));
  }
  return true;
}

bool weight_memory::populate(cancel_flag cancelled) const {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  // Reads, not MADV_POPULATE_READ: that holds the address space's lock while it fills
  // (experiments.md, b).
  return each_chunk(cancelled, [&](std::uint64_t at, std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; i += page_bytes)
      static_cast<void>(*static_cast<const volatile std::byte*>(base_ + at + i));
  });
}

std::optional<content_digest> weight_memory::populate_and_digest(std::uint64_t from, cancel_flag cancelled) const {
  content_digest digest;
  const bool whole = each_chunk(cancelled, [&](std::uint64_t at, std::uint64_t size) {
    const auto skipped = std::min(size, from > at ? from - at : 0);
    digest.add(bytes().subspan(at + skipped, size - skipped));
  });
  if (!whole) return std::nullopt;
  return digest;
}

std::size_t live_mappings() {
  auto& t = table();
  std::scoped_lock lock(t.mutex);
  return static_cast<std::size_t>(
      std::count_if(t.entries.begin(), t.entries.end(), [](const auto& e) { return !e.second.expired(); }));
}

}  // namespace troupe::inference
