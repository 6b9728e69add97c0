#include "inference/speech/fsmn_vad.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/files/files.hpp"
#include "inference/speech/fsmn_vad_config.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/speech/speech_load.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t config_bytes_max = 4U << 20U;

// Some products keep something for every number of lines: few numbers come.
std::int64_t rounded_lines(std::int64_t lines) {
  const auto octave = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(lines)));
  const auto step = std::max<std::int64_t>(8, octave / 8);
  return (lines + step - 1) / step * step;
}

struct block {
  linear down, up;
  at::Tensor taps;  // [kernel, memory_size] in fp32
};

class loaded_vad final : public fsmn_vad {
 public:
  loaded_vad(fsmn_vad_settings settings, std::shared_ptr<const front_end> front, const named_weights& all)
      : settings_(std::move(settings)),
        front_(std::move(front)),
        in1_(all.linear_at("in1")),
        in2_(all.linear_at("in2")),
        out1_(all.linear_at("out1")),
        out2_(all.linear_at("out2")) {
    const auto& n = settings_.network;
    for (std::int64_t i = 0; i < n.layers; ++i) {
      const auto name = "layer." + std::to_string(i) + '.';
      const auto taps = all.at(name + "memory").view({n.memory_size, n.kernel}).transpose(0, 1).contiguous();
      blocks_.push_back({all.linear_at(name + "down"), all.linear_at(name + "up"), taps});
    }
  }

  const model_info& info() const noexcept override { return info_; }
  const std::shared_ptr<const front_end>& front() const noexcept override { return front_; }
  const endpoint_settings& endpoints() const noexcept override { return settings_.endpoints; }
  memory_use memory() const override { return {mappings_, account_->live_bytes()}; }
  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane("cpu"); }

  fsmn_past make_past() const override {
    return {std::vector<std::byte>(past_bytes_of_layer() * blocks_.size(), std::byte{0})};
  }

  std::vector<std::vector<double>> run(std::span<const fsmn_vad_row> rows, device_lane& lane) const override {
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      const account_scope charged(account_);
      const crew_scope crew;
      std::vector<std::vector<double>> silence(rows.size());
      const auto width = static_cast<std::size_t>(settings_.network.input_size);
      std::vector<frame_range> ranges;
      std::int64_t lines = 0;
      for (const auto& row : rows) {
        assert(row.features.size() % width == 0);
        ranges.push_back({lines, static_cast<std::int64_t>(row.features.size() / width)});
        lines += ranges.back().length;
      }
      if (lines == 0) return silence;
      const auto scores = at::softmax(network(input_of(rows, lines), rows, ranges), -1);
      const auto classes = scores.size(1);
      const auto* values = scores.const_data_ptr<float>();
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::int64_t t = 0; t < ranges[i].length; ++t) {
          double sum = 0;
          for (const auto id : settings_.silence_classes)
            sum += static_cast<double>(values[(ranges[i].first + t) * classes + id]);
          silence[i].push_back(sum);
        }
      return silence;
    });
  }

  // Before it is anybody else's.
  void keep(model_info info, std::vector<mapping_use> mappings, std::shared_ptr<memory_account> account,
            std::shared_ptr<const weight_memory> memory) {
    info_ = std::move(info);
    mappings_ = std::move(mappings);
    account_ = std::move(account);
    memory_ = std::move(memory);
  }

 private:
  // Of memory blocks' inputs: what their session keeps.
  at::ScalarType type() const {
    return in1_.weight.defined() && in1_.weight.scalar_type() == at::kBFloat16 ? at::kBFloat16 : at::kFloat;
  }
  std::size_t past_bytes_of_layer() const {
    const auto numbers = (settings_.network.kernel - 1) * settings_.network.memory_size;
    return static_cast<std::size_t>(numbers) * (type() == at::kBFloat16 ? 2 : 4);
  }

  at::Tensor input_of(std::span<const fsmn_vad_row> rows, std::int64_t lines) const {
    const auto x = at::zeros({rounded_lines(lines), settings_.network.input_size}, at::kFloat);
    auto* to = x.mutable_data_ptr<float>();
    for (const auto& row : rows) to = std::copy(row.features.begin(), row.features.end(), to);
    return x.to(type());
  }

  at::Tensor network(at::Tensor x, std::span<const fsmn_vad_row> rows, const std::vector<frame_range>& ranges) const {
    x = apply(in2_, apply(in1_, x), after_linear::relu);
    const auto bytes = past_bytes_of_layer();
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      std::vector<continued_range> continued;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (ranges[i].length > 0) continued.push_back({ranges[i], rows[i].past->lines.data() + layer * bytes});
      const auto& b = blocks_[layer];
      x = apply(b.up, memory_block(apply(b.down, x), b.taps, continued, {}), after_linear::relu);
    }
    return apply(out2_, apply(out1_, x).to(at::kFloat));
  }

  fsmn_vad_settings settings_;
  std::shared_ptr<const front_end> front_;
  model_info info_;
  std::vector<mapping_use> mappings_;
  std::shared_ptr<memory_account> account_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors, which are views of it
  linear in1_, in2_, out1_, out2_;
  std::vector<block> blocks_;
};

struct opened_folder {
  fsmn_vad_settings settings;
  std::shared_ptr<const front_end> front;
  checkpoint source;
  weight_plan plan;
};

result<opened_folder> open_folder_of(const artifact_spec& spec, const load_options& options) {
  const auto& folder = spec.path;
  const auto config = model_yaml::read(folder / "config.yaml", config_bytes_max);
  if (!config) return tl::unexpected(config.error());
  auto settings = read_fsmn_vad_settings(*config);
  if (!settings) return tl::unexpected(settings.error());
  auto norm = read_cmvn(folder / "am.mvn", static_cast<std::uint32_t>(settings->network.input_size));
  if (!norm) return tl::unexpected(norm.error());
  auto front = front_end::make(settings->front, std::move(*norm));
  if (!front) return tl::unexpected(front.error());
  auto source = checkpoint::open_torch_file(folder / "model.pt", options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = plan_fsmn_vad(settings->network, *source);
  if (!plan) return tl::unexpected(plan.error());
  return opened_folder{std::move(*settings), std::move(*front), std::move(*source), std::move(*plan)};
}

model_info info_of(const opened_folder& folder, const std::string& version, precision what) {
  model_info info;
  info.architecture = "FsmnVADStreaming";
  info.format = "funasr";
  info.precision = std::string(to_string(what));
  info.device = "cpu";
  info.tasks = {task::voice_activity_detection};
  info.version = version;
  info.parameters = folder.plan.parameters;
  info.hidden_size = folder.settings.network.size;
  info.num_hidden_layers = folder.settings.network.layers;
  info.stateful = true;
  info.lone = lone_use::shares_cores;
  return info;
}

}  // namespace

std::vector<std::filesystem::path> fsmn_vad_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto* name : {"model.pt", "config.yaml", "am.mvn"})
    if (file_exists(folder / name)) files.push_back(folder / name);
  return files;
}

result<memory_estimate> estimate_fsmn_vad(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  const auto what = speech_precision(spec, options);
  if (!what) return tl::unexpected(what.error());
  const auto folder = open_folder_of(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  return speech_estimate(speech_weights(spec, options, folder->plan, version, *what), folder->plan, 0);
}

result<std::shared_ptr<const fsmn_vad>> load_fsmn_vad(const artifact_spec& spec, const load_options& options,
                                                      const std::string& version) {
  const auto what = speech_precision(spec, options);
  if (!what) return tl::unexpected(what.error());
  auto folder = open_folder_of(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  if (is_cancelled(options.cancelled)) return cancelled_error();
  auto info = info_of(*folder, version, *what);
  auto account = std::make_shared<memory_account>();
  const account_scope charged(account);
  auto request = speech_weights(spec, options, folder->plan, version, *what);
  request.account = account;
  auto weights = load_weights(request, folder->source);
  if (!weights) return tl::unexpected(weights.error());
  info.notes = weights->notes;
  try {
    const c10::InferenceMode inference;
    const named_weights all(*weights, "cpu");
    auto made = std::make_shared<loaded_vad>(std::move(folder->settings), std::move(folder->front), all);
    auto mappings = mappings_of(*weights);
    made->keep(std::move(info), std::move(mappings), std::move(account), std::move(weights->memory));
    return made;
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
