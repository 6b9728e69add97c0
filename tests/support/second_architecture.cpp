#include "tests/support/second_architecture.hpp"

#include <ATen/ops/index_select.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/layers.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/tables.hpp"
#include "inference/torch/device.hpp"

namespace troupe::tests {
namespace {

using namespace inference;

class tiny_network final : public encoder {
 public:
  tiny_network(const encoder_shape& shape, loaded_weights weights, std::string device)
      : device_(std::move(device)), attention_(shape.heads, shape.hidden_size, is_gpu(device_)) {
    const c10::InferenceMode inference;
    const auto all = tensors_of(weights, device_);
    memory_ = std::move(weights.memory);
    words_ = all.at(0);
    qkv_ = {all.at(1), all.at(2)};
  }
  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane(device_); }
  features run(std::span<const token_row> rows, network_output, device_lane& lane) const override {
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      auto packed = pack(rows, is_gpu(device_));
      packed.to(words_);
      const auto x = at::index_select(words_, 0, packed.ids);
      const auto states = attention_.of_all(apply(qkv_, x), packed);
      const auto picked = pick_tokens(rows, packed, is_gpu(device_));
      return unpack_picked(at::index_select(states, 0, picked.places.to(states.device())), picked);
    });
  }

 private:
  std::string device_;
  packed_attention attention_;
  std::shared_ptr<const weight_memory> memory_;
  at::Tensor words_;
  linear qkv_;
};

class tiny_config final : public encoder_config {
 public:
  explicit tiny_config(const encoder_shape& shape) : shape_(shape) {}
  const encoder_shape& shape() const noexcept override { return shape_; }
  bool gives(network_output what) const noexcept override { return what == network_output::token_states; }
  result<weight_plan> plan(const checkpoint& source) const override {
    const auto v = shape_.vocab_size, h = shape_.hidden_size;
    weight_plan plan;
    plan.tensors = {{"words", {v, h}, false, {"embeddings.weight"}, {}},
                    {"qkv.weight", {3 * h, h}, false, {"attention.weight"}, {}},
                    {"qkv.bias", {3 * h}, false, {"attention.bias"}, {}}};
    plan.parameters = v * h + 3 * h * h + 3 * h;
    if (auto ok = check_plan(plan.tensors, source); !ok) return tl::unexpected(ok.error());
    return plan;
  }
  std::shared_ptr<const encoder> make(loaded_weights weights, const std::string& device) const override {
    return std::make_shared<const tiny_network>(shape_, std::move(weights), device);
  }

 private:
  encoder_shape shape_;
};

result<std::unique_ptr<const encoder_config>> read_config(const model_json& config) {
  encoder_shape shape;
  shape.layers = 1;
  for (const auto& [key, place] : {std::pair{"vocab_size", &shape.vocab_size},
                                   {"hidden_size", &shape.hidden_size},
                                   {"num_attention_heads", &shape.heads},
                                   {"max_position_embeddings", &shape.positions}}) {
    const auto value = member(config.root(), key);
    if (!value || value->get(*place) || *place < 1 || *place > 4096)
      return config.problem({key}, "must be a whole number from 1 to 4096");
  }
  return std::make_unique<const tiny_config>(shape);
}

class mean_head final : public task_head {
 public:
  network_output wants() const noexcept override { return network_output::token_states; }
  const std::vector<std::string>& labels() const noexcept override { return none_; }
  const std::string& notes() const noexcept override { return notes_; }
  result<void> check(const task_parameters& given) const override {
    return check_names(task::feature_extraction, given, {});
  }
  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    auto tokens = reader.read(in, out.parameters, false);
    if (!tokens) return tl::unexpected(tokens.error());
    out.rows.push_back({std::move(*tokens), {}});
    return {};
  }
  output make(const prepared_text&, const network_answer& given) const override {
    const auto lines = given.rows.front();
    embedding out{std::vector<float>(static_cast<std::size_t>(given.width), 0.0F)};
    const auto tokens = lines.size() / out.values.size();
    for (std::size_t i = 0; i < lines.size(); ++i)
      out.values[i % out.values.size()] += lines[i] / static_cast<float>(tokens);
    return out;
  }

 private:
  std::vector<std::string> none_;
  std::string notes_;
};

}  // namespace

void add_second_architecture() {
  add_architecture({"TinyAttention", "tiny", {task::feature_extraction}, read_config});
  add_task({task::feature_extraction, nullptr, [](const head_source&) -> result<std::unique_ptr<const task_head>> {
              return std::make_unique<const mean_head>();
            }});
}

}  // namespace troupe::tests
