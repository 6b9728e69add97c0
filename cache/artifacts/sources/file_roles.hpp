#pragma once
// What a published file is for, by its name alone. Pure.

#include <cstdint>
#include <string_view>

namespace troupe::cache {

enum class file_role : std::uint8_t {
  settings,       // config, tokenizer, vocabulary: always taken
  safetensors,    // weights, in the order of preference
  pickled,        // .bin
  torch_file,     // .pt2 .pt .pth .ckpt
  index,          // of shards: *.safetensors.index.json, *.bin.index.json
  other_runtime,  // copies for ONNX, OpenVINO, TensorFlow, Flax, Rust, Core ML, GGUF
  training,       // the trainer's own state
  other,          // documentation, images, code
};

// Of a file's name, without folders.
file_role role_of(std::string_view name);
// Of a folder that is no module of the model: other_runtime, training or other.
file_role role_of_folder(std::string_view name);

struct weights_name {
  std::string_view stem;     // "model" of "model.fp16-00001-of-00002.safetensors"
  std::string_view variant;  // "fp16"; empty: the plain copy
  bool shard = false;        // "-00001-of-00002"
};
// Of weights and their indexes ("model.safetensors.index.fp16.json").
weights_name parse_weights_name(std::string_view name);

}  // namespace troupe::cache
