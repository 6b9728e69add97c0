#include "inference/files/ready_copies.hpp"

#include "inference/files/files.hpp"

namespace troupe::inference {

namespace fs = std::filesystem;

std::string ready_key(const fs::path& source) {
  std::error_code ignored;
  const auto whole = fs::weakly_canonical(source, ignored);
  return name_hash{}.add(whole.empty() ? source.native() : whole.native()).hex();
}

std::map<std::string, std::uint64_t> ready_copies(const fs::path& store) {
  std::map<std::string, std::uint64_t> bytes;
  std::error_code ignored;
  for (const auto& e : fs::directory_iterator(store, ignored)) {
    const auto name = e.path().filename().native();
    if (!name.ends_with(".safetensors")) continue;
    if (const auto state = state_of(e.path())) bytes[name.substr(0, name.find('-'))] += state->size_bytes;
  }
  return bytes;
}

std::uint64_t remove_ready_copies(const fs::path& store, const fs::path& source) {
  const auto prefix = ready_key(source) + '-';
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& e : fs::directory_iterator(store, ignored)) {
    if (!e.path().filename().native().starts_with(prefix)) continue;
    const auto state = state_of(e.path());
    if (fs::remove(e.path(), ignored) && state) bytes += state->size_bytes;
  }
  return bytes;
}

}  // namespace troupe::inference
