#include "inference/loader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "inference/files/checkpoint.hpp"
#include "inference/files/files.hpp"
#include "inference/programs/torchscript.hpp"
#include "inference/text_classifier.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;

struct named_factory {
  std::string name;
  factory make;
};
std::vector<named_factory>& factories() {
  static std::vector<named_factory> all;
  return all;
}

enum class format { huggingface, torchscript };

result<format> detect(const artifact_spec& spec) {
  struct stat st{};
  if (::stat(spec.path.c_str(), &st) != 0) {
    const int why = errno;
    if (why != ENOENT || file_exists(spec.path))
      return tl::unexpected(path_error("cannot look at the artifact", spec.path, why));
    return fail(error_code::load_failed, "no artifact at " + spec.path.string(),
                "a Hugging Face folder or a .pt file");
  }
  if (S_ISDIR(st.st_mode)) {
    if (file_exists(spec.path / "config.json")) return format::huggingface;
    return fail(error_code::load_failed, spec.path.string() + " has no config.json",
                "a Hugging Face folder or a .pt file");
  }
  const auto extension = spec.path.extension();
  if (extension == ".pt" || extension == ".pth" || extension == ".ts" || extension == ".torchscript")
    return format::torchscript;
  if (extension == ".safetensors")
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
  if (!cuda_available())
    return fail(error_code::load_failed, "the device '" + device + "' is not available here");
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
  if (*kind == format::torchscript) return std::vector<fs::path>{spec.path};
  return artifact_files(spec.path);
}

// Of the artifact's files: what they are known by, and when anything about them last changed. The latter moves with
// renames and restored times too, so that files that were replaced and put back do not look untouched.
struct file_states {
  std::string fingerprint, changes;
  bool operator==(const file_states&) const = default;
};
result<file_states> states_of(const artifact_spec& spec) {
  const auto files = files_of(spec);
  if (!files) return tl::unexpected(files.error());
  auto print = fingerprint_of(*files);
  if (!print) return tl::unexpected(print.error());
  name_hash changes;
  for (const auto& file : *files) {
    struct stat st{};
    if (::stat(file.c_str(), &st) != 0) return tl::unexpected(path_error("cannot look at", file, errno));
    changes.add(static_cast<std::uint64_t>(st.st_ctim.tv_sec)).add(static_cast<std::uint64_t>(st.st_ctim.tv_nsec));
  }
  return file_states{std::move(*print), changes.hex()};
}

constexpr int load_attempts_max = 3;

result<std::unique_ptr<const model>> load_once(const artifact_spec& spec, const load_options& options,
                                               const std::string& version) {
  const auto kind = detect(spec);
  if (!kind) return tl::unexpected(kind.error());
  return *kind == format::huggingface ? load_text_classifier(spec, options, version)
                                      : load_torchscript(spec, options, version);
}

}  // namespace

result<memory_estimate> estimate_memory(const artifact_spec& spec, const load_options& options) {
  return guarded(spec, [&]() -> result<memory_estimate> {
    const auto kind = detect(spec);
    if (!kind) return tl::unexpected(kind.error());
    if (*kind == format::torchscript) return estimate_torchscript(spec, options);
    const auto states = states_of(spec);
    if (!states) return tl::unexpected(states.error());
    return estimate_text_classifier(spec, options, states->fingerprint);
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
    for (const auto& f : factories())
      if (auto made = f.make(spec, options)) return std::move(*made);
    if (auto ok = detect(spec); !ok) return tl::unexpected(ok.error());
    if (auto ok = check_device(options.device); !ok) return tl::unexpected(ok.error());
    for (int attempt = 0; attempt < load_attempts_max; ++attempt) {
      const auto before = states_of(spec);
      if (!before) return tl::unexpected(before.error());
      auto made = load_once(spec, options, before->fingerprint);
      // Files of two versions give anything, errors too.
      const auto after = states_of(spec);
      if (after && *after == *before) return made;
      if (is_cancelled(options.cancelled)) return cancelled_error();
      if (!after) return tl::unexpected(after.error());
    }
    return fail(error_code::load_failed, spec.path.string() + " changed again and again while it was loaded",
                "load it when its files are complete; best of all, rename a complete folder into place");
  });
}

void register_factory(std::string name, factory make) {
  factories().push_back({std::move(name), std::move(make)});
}

}  // namespace troupe::inference
