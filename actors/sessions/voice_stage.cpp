#include "actors/sessions/voice_stage.hpp"

namespace troupe::actors {

result<void> voice_stage::accept(std::span<const float> samples, const inference::live_options& options) {
  if (!stage_.is_open()) {
    if (auto ok = stage_.open(options); !ok) return ok;
    hears_ = ear(stage_.model().rate_hz());
  }
  hears_.accept(samples);
  stage_.accept(samples);
  return {};
}

ear::verdict voice_stage::go_on(steady_time now, const live_stage::step_terms& terms) {
  if (!stage_.is_open() || stage_.busy() || stage_.send(now, terms) || !stage_.finished()) return {};
  const auto heard_s = static_cast<double>(stage_.through() + stage_.waiting()) / stage_.model().rate_hz();
  stage_.close();
  if (hears_.held_samples() == 0 && !hears_.in_speech()) return {};
  return hears_.decide({{}, true, heard_s, heard_s});
}

result<ear::verdict> voice_stage::decide(const inference::output& told) {
  if (const auto* found = std::get_if<inference::voice_activity>(&told)) return hears_.decide(*found);
  return fail(error_code::internal, "Model " + stage_.home().name + " told no voice activity");
}

}  // namespace troupe::actors
