#include "inference/speech/sound_input.hpp"

#include <cmath>

#include "inference/audio/resample.hpp"

namespace troupe::inference {

result<std::vector<float>> sound_of(const input& in, const question& asked, const model_info& info,
                                    const sound_terms& terms) {
  if (asked.task && *asked.task != info.tasks.front()) return tl::unexpected(wrong_task(info, *asked.task));
  if (const auto set = names_of(asked.parameters); !set.empty())
    return fail(error_code::unprocessable, "the parameter '" + std::string(set.front()) + "' is none of this task");
  const auto* sound = in.only<samples>();
  if (sound == nullptr)
    return fail(error_code::unprocessable, "this model takes sound, not " + std::string(kind_of(in)));
  if (sound->rate_hz == 0) return fail(error_code::unprocessable, "the sound has no sample rate");
  const auto seconds = static_cast<double>(sound->values.size()) / sound->rate_hz;
  if (seconds > terms.sound_s_max)
    return fail(error_code::unprocessable,
                "the sound has " + std::to_string(static_cast<std::uint64_t>(std::ceil(seconds))) + " s",
                "at most " + std::to_string(terms.sound_s_max) + " s at a time: " + terms.too_long_hint);
  if (sound->rate_hz == terms.rate_hz) return sound->values;
  auto change = resampler::make(sound->rate_hz, terms.rate_hz);
  if (!change) return tl::unexpected(change.error());
  std::vector<float> changed;
  if (auto ok = change->accept(sound->values, changed); !ok) return tl::unexpected(ok.error());
  if (auto ok = change->finish(changed); !ok) return tl::unexpected(ok.error());
  return changed;
}

}  // namespace troupe::inference
