#include "inference/loader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "inference/files/checkpoint.hpp"
#include "inference/files/files.hpp"
#include "inference/tables.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;

// The format that claims the artifact, or why none does.
result<const format*> detect(const artifact_spec& spec) {
  for (const auto& f : formats())
    if (f.claims(spec)) return &f;
  struct stat st {};
  if (::stat(spec.path.c_str(), &st) != 0) {
    const int why = errno;
    if (why != ENOENT || file_exists(spec.path))
      return tl::unexpected(path_error("cannot look at the artifact", spec.path, why));
    return fail(error_code::load_failed, "no artifact at " + spec.path.string(), "a Hugging Face folder or a .pt file");
  }
  if (S_ISDIR(st.st_mode))
    return fail(error_code::unprocessable, spec.path.string() + " has no config.json",
                "a Hugging Face folder or a .pt file");
  if (spec.path.extension() == ".safetensors")
    return fail(error_code::unprocessable, spec.path.string() + " is a weights file",
                "the folder that holds it, with config.json and the tokenizer");
  return fail(error_code::unprocessable, "the format of " + spec.path.string() + " is not supported",
              "a Hugging Face folder or a TorchScript .pt file");
}

result<void> check_device(const std::string& device) {
  if (device == "cpu") return {};
  const bool indexed = (device.size() == 6 || device.size() == 7) && device.starts_with("cuda:") &&
                       device.find_first_not_of("0123456789", 5) == device.npos;
  if (device != "cuda" && !indexed)
    return fail(error_code::unprocessable, "the device '" + device.substr(0, 60) + "' is unknown",
                "cpu, cuda, cuda:0 .. cuda:99");
  if (!cuda_available()) return fail(error_code::load_failed, "the device '" + device + "' is not available here");
  return {};
}

// The one edge where exceptions of libraries end.
template <class F>
auto guarded(const artifact_spec& spec, F f) -> decltype(f()) {
  const auto what = "loading " + (spec.name.empty() ? spec.path.string() : spec.name) + " failed: ";
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return fail(error_code::insufficient_memory, what + "out of memory");
  } catch (const std::exception& e) {
    const std::string_view message = e.what();
    return fail(error_code::load_failed,
                what + std::string(message.substr(0, std::min<std::size_t>(message.find('\n'), 500))));
  } catch (...) {
    return fail(error_code::load_failed, what + "unknown exception");
  }
}

result<std::vector<fs::path>> files_of(const artifact_spec& spec) {
  const auto kind = detect(spec);
  if (!kind) return tl::unexpected(kind.error());
  return (*kind)->files(spec);
}

// Of the artifact's files: what they are known by, and what each was like. The latter moves with renames and restored
// times too, so that files that were replaced and put back do not look untouched.
struct artifact_state {
  std::string fingerprint;
  std::vector<file_state> files;
  bool operator==(const artifact_state&) const = default;
};
result<artifact_state> state_of_artifact(const artifact_spec& spec) {
  const auto files = files_of(spec);
  if (!files) return tl::unexpected(files.error());
  auto print = fingerprint_of(*files);
  if (!print) return tl::unexpected(print.error());
  artifact_state out{std::move(*print), {}};
  for (const auto& file : *files) {
    const auto state = state_of(file);
    if (!state) return tl::unexpected(path_error("cannot look at", file, errno));
    out.files.push_back(*state);
  }
  return out;
}

constexpr int load_attempts_max = 3;

}  // namespace

result<memory_estimate> estimate_memory(const artifact_spec& spec, const load_options& options) {
  return guarded(spec, [&]() -> result<memory_estimate> {
    const auto kind = detect(spec);
    if (!kind) return tl::unexpected(kind.error());
    const auto files = (*kind)->files(spec);
    if (!files) return tl::unexpected(files.error());
    const auto version = fingerprint_of(*files);
    if (!version) return tl::unexpected(version.error());
    return (*kind)->estimate(spec, options, *version);
  });
}

result<std::uint64_t> artifact_bytes(const artifact_spec& spec) {
  return guarded(spec, [&]() -> result<std::uint64_t> {
    const auto files = files_of(spec);
    if (!files) return tl::unexpected(files.error());
    std::uint64_t bytes = 0;
    for (const auto& file : *files) bytes += fs::file_size(file);
    return bytes;
  });
}

result<std::string> fingerprint(const artifact_spec& spec) {
  return guarded(spec, [&]() -> result<std::string> {
    const auto files = files_of(spec);
    if (!files) return tl::unexpected(files.error());
    return fingerprint_of(*files);
  });
}

result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options) {
  return guarded(spec, [&]() -> result<std::unique_ptr<const model>> {
    const auto kind = detect(spec);
    if (!kind) return tl::unexpected(kind.error());
    if (auto ok = check_device(options.device); !ok) return tl::unexpected(ok.error());
    for (int attempt = 0; attempt < load_attempts_max; ++attempt) {
      const auto before = state_of_artifact(spec);
      if (!before) return tl::unexpected(before.error());
      auto made = (*kind)->load(spec, options, before->fingerprint);
      // Files of two versions give anything, errors too.
      const auto after = state_of_artifact(spec);
      if (after && *after == *before) return made;
      if (is_cancelled(options.cancelled)) return cancelled_error();
      if (!after) return tl::unexpected(after.error());
    }
    return fail(error_code::load_failed, spec.path.string() + " changed again and again while it was loaded",
                "load it when its files are complete; best of all, rename a complete folder into place");
  });
}

}  // namespace troupe::inference
