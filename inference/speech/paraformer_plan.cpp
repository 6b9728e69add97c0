#include "inference/speech/paraformer_plan.hpp"

#include "inference/speech/sanm_plan.hpp"

namespace troupe::inference {
namespace {

void plan_feed_forward(plan_writer& plan, const paraformer_decoder_settings& s, std::int64_t size,
                       const std::string& ours, const std::string& theirs) {
  plan.norm(ours + "norm1", size, theirs + "norm1");
  plan.linear(ours + "up", s.inner_size, size, {theirs + "feed_forward.w_1"});
  plan.norm(ours + "inner_norm", s.inner_size, theirs + "feed_forward.norm");
  plan.linear(ours + "down", size, s.inner_size, {theirs + "feed_forward.w_2"}, false);
}

}  // namespace

result<weight_plan> plan_paraformer(const paraformer_settings& s, const checkpoint& source) {
  plan_writer plan(source, "module.");  // of a training program on several GPUs
  plan_sanm_encoder(plan, s.encoder, "encoder.", "encoder.");
  const auto size = s.encoder.size;
  plan.tensor("cif.conv.weight", {size, size, 3}, {"predictor.cif_conv1d.weight"}, true);
  plan.tensor("cif.conv.bias", {size}, {"predictor.cif_conv1d.bias"}, true);
  plan.linear("cif.output", 1, size, {"predictor.cif_output"}, true, true);
  plan.plan().private_bytes += static_cast<std::uint64_t>(3 * size * size) * sizeof(float);  // the same, turned
  for (std::int64_t i = 0; i < s.decoder.layers; ++i) {
    const auto ours = "decoder." + std::to_string(i) + '.', theirs = "decoder.decoders." + std::to_string(i) + '.';
    plan_feed_forward(plan, s.decoder, size, ours, theirs);
    plan.norm(ours + "norm2", size, theirs + "norm2");
    plan.tensor(ours + "fsmn", {size, 1, s.decoder.kernel}, {theirs + "self_attn.fsmn_block.weight"}, true);
    plan.norm(ours + "norm3", size, theirs + "norm3");
    plan.linear(ours + "q", size, size, {theirs + "src_attn.linear_q"});
    plan.linear(ours + "kv", 2 * size, size, {theirs + "src_attn.linear_k_v"});
    plan.linear(ours + "out", size, size, {theirs + "src_attn.linear_out"});
    plan.plan().private_bytes += static_cast<std::uint64_t>(size * s.decoder.kernel) * sizeof(float);  // its taps
  }
  plan_feed_forward(plan, s.decoder, size, "decoder.last.", "decoder.decoders3.0.");
  plan.norm("decoder.after", size, "decoder.after_norm");
  // In full precision: few tokens pass it, and it decides between them.
  plan.linear("decoder.output", s.decoder.vocab_size, size, {"decoder.output_layer"}, true, true);
  return plan.finish();
}

}  // namespace troupe::inference
