#include "inference/loader.hpp"

#include <algorithm>

#include "inference/checkpoint.hpp"
#include "inference/files.hpp"
#include "inference/runtime.hpp"
#include "inference/text_classifier.hpp"
#include "inference/torchscript.hpp"

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
  std::error_code why;
  const auto status = fs::status(spec.path, why);
  if (!fs::exists(status))
    return fail(error_code::load_failed, "no artifact at " + spec.path.string(),
                "a Hugging Face folder or a .pt file");
  if (fs::is_directory(status)) {
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

}  // namespace

result<std::uint64_t> estimate_bytes(const artifact_spec& spec, const load_options& options) {
  return guarded(spec, [&]() -> result<std::uint64_t> {
    const auto kind = detect(spec);
    if (!kind) return tl::unexpected(kind.error());
    return *kind == format::huggingface ? estimate_text_classifier(spec, options)
                                        : estimate_torchscript(spec, options);
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
    const auto kind = detect(spec);
    if (!kind) return tl::unexpected(kind.error());
    if (auto ok = check_device(options.device); !ok) return tl::unexpected(ok.error());
    return *kind == format::huggingface ? load_text_classifier(spec, options)
                                        : load_torchscript(spec, options);
  });
}

void register_factory(std::string name, factory make) {
  factories().push_back({std::move(name), std::move(make)});
}

}  // namespace troupe::inference
