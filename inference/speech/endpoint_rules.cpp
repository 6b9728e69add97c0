#include "inference/speech/endpoint_rules.hpp"

namespace troupe::inference {

endpoint_reason endpoint_of(const utterance_times& heard, const endpoint_rules& rules) noexcept {
  if (heard.sound_s >= rules.utterance_s_max) return endpoint_reason::too_long;
  if (!heard.since_fire_s) return heard.sound_s >= rules.silence_s ? endpoint_reason::silence : endpoint_reason::none;
  return *heard.since_fire_s >= rules.silence_after_token_s ? endpoint_reason::silence_after_token
                                                            : endpoint_reason::none;
}

}  // namespace troupe::inference
