#pragma once
// A family of encoders, as transformers has them: one network, and the heads that its classes put on it. One file a
// family, which reads config.json, names the weights and makes the network; heads, packing and everything around them
// are shared (head.hpp, headed.hpp). No Torch types.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/encoders/head_recipe.hpp"
#include "inference/encoders/plan_writer.hpp"

namespace troupe::inference {

class encoder_body;   // body.hpp
class named_weights;  // named_weights.hpp

// What a class puts on the network.
enum class head_kind : std::uint8_t { none, sequence, token, mask };

// One checkpoint's network, as its config.json describes it. Immutable.
class family_config {
 public:
  virtual ~family_config() = default;
  virtual const encoder_shape& shape() const noexcept = 0;
  // The network's weights, without a head's; sets plan().token_types and private_bytes.
  virtual void plan_body(plan_writer& out) const = 0;
  // REQUIRES a kind that is not none.
  virtual head_recipe head(head_kind kind) const = 0;
  // `weights` has what plan_body() named. Throws std::exception.
  virtual std::unique_ptr<const encoder_body> make_body(const named_weights& weights,
                                                        const std::string& device) const = 0;
};

struct family {
  std::string model_type;  // "xlm-roberta"
  std::string stem;        // of its classes: "XLMRoberta" for XLMRobertaModel, XLMRobertaForMaskedLM, ..
  std::string prefix;      // of the network's names in checkpoints that have a head: "roberta."
  // Bounds every number, so that sizes computed from them cannot overflow.
  result<std::unique_ptr<const family_config>> (*read)(const model_json& config) = nullptr;
};

// Rows of the table of architectures: a family's classes.
std::vector<architecture> architectures_of(const family& f);

}  // namespace troupe::inference
