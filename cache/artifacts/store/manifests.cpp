#include "cache/artifacts/store/manifests.hpp"

#include <cerrno>
#include <ctime>
#include <set>

#include <spdlog/spdlog.h>

#include "cache/artifacts/store/disk.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Two changes within one tick of the file system's clock may leave the same state: a file that was changed just now is
// read again. Where there are no fractions of a second, a tick is as long as that.
bool is_settled(const inference::file_state& state) noexcept {
  constexpr std::int64_t second_ns = 1'000'000'000;
  const auto tick_max_ns = state.changed_ns % second_ns == 0 ? 2 * second_ns : second_ns / 10;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * second_ns + now.tv_nsec - state.changed_ns > tick_max_ns;
}

tl::unexpected<error> not_there(const std::string& name) {
  return fail(error_code::model_not_found, "Model '" + name + "' is not in the artifact store");
}

manifests::read read_from(const fs::path& path, const std::string& name) {
  const auto text = inference::read_small_file(path, manifest_bytes_max);
  if (!text) return tl::unexpected(text.error());
  auto m = parse_manifest(*text, path);
  if (!m) return tl::unexpected(m.error());
  if (m->name != name)
    return fail(error_code::unprocessable, path.string() + " is of another model, '" + m->name + "'",
                "a model's folder has its name");
  return std::make_shared<const manifest>(std::move(*m));
}

}  // namespace

manifests::read manifests::look(const std::string& name) const {
  const auto path = at_.manifest_of(name);
  const auto found = disk::look(path);
  if (!found && errno != ENOENT && errno != ENOTDIR) return disk::refused("look at", path, errno);
  if (!found) {
    const std::lock_guard guard(mutex_);
    known_.erase(name);
    return not_there(name);
  }
  const inference::file_state state{found->device, found->inode, found->size_bytes, found->modified_ns,
                                    found->changed_ns};
  {
    const std::lock_guard guard(mutex_);
    if (const auto k = known_.find(name); k != known_.end() && k->second.settled && k->second.state == state)
      return k->second.what;
  }
  auto what = found->file ? read_from(path, name)
                          : manifests::read(fail(error_code::unprocessable, path.string() + " is not a regular file"));
  if (!what && !disk::look(path)) return not_there(name);
  if (!what) spdlog::warn("artifacts: {}", what.error().message);
  const std::lock_guard guard(mutex_);
  known_.insert_or_assign(name, known{state, is_settled(state), what});
  return what;
}

manifests::read manifests::find(const std::string& name) const {
  if (auto ok = check_stored_name(name); !ok) return tl::unexpected(ok.error());
  if (!at_.has_folder(name)) return not_there(name);
  return look(name);
}

std::vector<manifests::named> manifests::all() const {
  std::vector<named> out;
  std::set<std::string> names;
  for (auto& name : at_.model_folders()) {
    auto what = look(name);
    if (!what && what.error().code == error_code::model_not_found) continue;
    names.insert(name);
    out.push_back({std::move(name), std::move(what)});
  }
  const std::lock_guard guard(mutex_);
  std::erase_if(known_, [&](const auto& k) { return !names.contains(k.first); });
  return out;
}

std::vector<std::shared_ptr<const manifest>> manifests::usable() const {
  std::vector<std::shared_ptr<const manifest>> out;
  for (auto& m : all())
    if (m.what) out.push_back(std::move(*m.what));
  return out;
}

}  // namespace troupe::cache
