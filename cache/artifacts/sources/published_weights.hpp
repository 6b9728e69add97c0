#pragma once
// The weights that torchvision and torchaudio publish, by name: what their packages say of them. Pure. The table is
// code (published_weights.inc, made by tests/parity/make_published_weights.py), as it decides what is fetched and
// verified: a file beside the program could be another version's, or missing.

#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::cache {

struct published_weights {
  std::string model;              // "resnet50", "TACOTRON2_WAVERNN_CHAR_LJSPEECH"
  std::string version;            // "IMAGENET1K_V2"; empty: there is one only
  std::string file;               // below the base address: "resnet50-11ad3fa6.pth"
  std::string sha256_begins;      // as the file's name says; empty: it says nothing
  std::optional<double> size_mb;  // MiB, as stated by the publisher, rounded
  std::string task;               // empty: none of the hub's
  std::string vocoder;            // file of the vocoder that it was trained for; empty: none
};

// "resnet50" (the weights that its publisher recommends), "resnet50:IMAGENET1K_V1", "ResNet50_Weights.IMAGENET1K_V1".
// Case and '-' for '_' in the model's name do not matter. Errors: model_not_found, with similar names in the detail.
result<published_weights> find_vision_weights(std::string_view id);

// "resnet50", "pytorch/vision:resnet50", "pytorch/vision:v0.10.0:resnet50": tags before v0.13 mean the weights that
// pretrained=True gave. Errors: unprocessable (another repository: its code would have to be run), model_not_found.
result<published_weights> find_hub_weights(std::string_view id);

// A bundle ("WAV2VEC2_ASR_BASE_960H"), "tacotron2" for the one that document 002 means, or "wavernn", its vocoder.
result<published_weights> find_audio_weights(std::string_view id);

// "11ad3fa6" of "resnet50-11ad3fa6.pth", as torch.hub reads it; empty: there is none.
std::string_view hash_in_name(std::string_view file);

}  // namespace troupe::cache
