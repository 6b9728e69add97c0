#include "cache/artifacts/sources/file_roles.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

using names = std::initializer_list<std::string_view>;

bool ends_with_one(std::string_view name, names endings) {
  return std::any_of(endings.begin(), endings.end(), [&](auto e) { return name.ends_with(e); });
}
bool begins_with_one(std::string_view name, names beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](auto b) { return name.starts_with(b); });
}
bool is_one(std::string_view name, names all) { return std::find(all.begin(), all.end(), name) != all.end(); }

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Where "-00001-of-00002" begins; npos: it is not there.
std::size_t shard_mark(std::string_view stem) {
  const auto of = stem.rfind("-of-");
  if (of == stem.npos || !is_digits(stem.substr(of + 4))) return stem.npos;
  const auto dash = of == 0 ? stem.npos : stem.rfind('-', of - 1);
  return dash != stem.npos && is_digits(stem.substr(dash + 1, of - dash - 1)) ? dash : stem.npos;
}

}  // namespace

file_role role_of(std::string_view given) {
  const auto lower = lower_case(given);
  const std::string_view name = lower;
  if (begins_with_one(name, {"training_args.", "optimizer.", "scheduler.", "scaler.", "rng_state", "random_states",
                             "trainer_state.", "trainer_config."}) ||
      name.ends_with("_results.json"))
    return file_role::training;
  if (begins_with_one(name, {"openvino_", "tf_model.", "flax_model.", "rust_model.", "ggml-"}) ||
      ends_with_one(name, {".onnx", ".onnx_data", ".onnx.data", ".gguf", ".ggml", ".h5", ".msgpack", ".ot", ".tflite",
                           ".pb", ".mlmodel", ".mlpackage", ".llamafile", ".engine", ".plan", ".keras"}))
    return file_role::other_runtime;
  if (name.ends_with(".json") &&
      (name.find(".safetensors.index.") != name.npos || name.find(".bin.index.") != name.npos))
    return file_role::index;
  // Of speech models: config.yaml, am.mvn, seg_dict.
  if (ends_with_one(name, {".json", ".model", ".spm", ".tiktoken", ".yaml", ".mvn"}) ||
      is_one(name, {"vocab.txt", "merges.txt", "vocab.bpe", "bpe.codes", "seg_dict", "jieba_usr_dict"}))
    return file_role::settings;
  if (name.ends_with(".safetensors")) return file_role::safetensors;
  if (name.ends_with(".bin")) return file_role::pickled;
  if (ends_with_one(name, {".pt2", ".pt", ".pth", ".ckpt"})) return file_role::torch_file;
  return file_role::other;
}

file_role role_of_folder(std::string_view given) {
  const auto name = lower_case(given);
  if (is_one(name, {"onnx", "openvino", "coreml", "tf", "tensorflow", "flax", "rust", "gguf", "tflite", "tensorrt"}) ||
      std::string_view(name).ends_with(".mlpackage"))
    return file_role::other_runtime;
  if (begins_with_one(name, {"checkpoint", "global_step", "runs", "logs", "wandb", "eval"})) return file_role::training;
  return file_role::other;
}

weights_name parse_weights_name(std::string_view name) {
  weights_name out;
  std::string_view ending;  // of an index: what lies between ".index." and "json"
  if (const auto index = name.find(".index."); index != name.npos && name.ends_with(".json")) {
    ending = name.substr(index + 7, std::max(name.size(), index + 12) - index - 12);
    if (ending.ends_with('.')) ending.remove_suffix(1);
    name = name.substr(0, index);
  }
  out.stem = name.substr(0, name.rfind('.'));
  if (const auto mark = shard_mark(out.stem); mark != out.stem.npos) {
    out.shard = true;
    out.stem = out.stem.substr(0, mark);
  }
  out.variant = ending;
  // Other names may have a dot of their own ("v1.5").
  if (const auto dot = out.stem.rfind('.'); dot != out.stem.npos && out.variant.empty()) {
    const auto before = out.stem.substr(0, dot), after = out.stem.substr(dot + 1);
    if (is_one(before, {"model", "pytorch_model", "diffusion_pytorch_model", "adapter_model"}) && !after.empty()) {
      out.stem = before;
      out.variant = after;
    }
  }
  return out;
}

}  // namespace troupe::cache
