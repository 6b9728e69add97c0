#include "inference/speech/sanm_plan.hpp"

namespace troupe::inference {

void plan_sanm_encoder(plan_writer& plan, const sanm_settings& s, const std::string& name, const std::string& from) {
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const auto ours = name + std::to_string(i) + '.';
    const auto theirs = from + (i == 0 ? "encoders0.0." : "encoders." + std::to_string(i - 1) + '.');
    const auto in = i == 0 ? s.input_size : s.size;
    plan.norm(ours + "norm1", in, theirs + "norm1");
    plan.linear(ours + "qkv", 3 * s.size, in, {theirs + "self_attn.linear_q_k_v"});
    plan.tensor(ours + "fsmn", {s.size, 1, s.kernel}, {theirs + "self_attn.fsmn_block.weight"}, true);
    plan.linear(ours + "out", s.size, s.size, {theirs + "self_attn.linear_out"});
    plan.norm(ours + "norm2", s.size, theirs + "norm2");
    plan.linear(ours + "up", s.inner_size, s.size, {theirs + "feed_forward.w_1"});
    plan.linear(ours + "down", s.size, s.inner_size, {theirs + "feed_forward.w_2"});
    plan.plan().private_bytes += static_cast<std::uint64_t>(s.size * s.kernel) * sizeof(float);  // its taps
  }
  plan.norm(name + "after", s.size, from + "after_norm");
}

}  // namespace troupe::inference
