#pragma once
// Writes the recipe of a checkpoint's weights while it finds them under the names that checkpoints have used: with or
// without the name of the network in front, LayerNorm.gamma for LayerNorm.weight. No Torch.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "inference/encoders/encoder.hpp"

namespace troupe::inference {

class plan_writer {
 public:
  // `prefix`: what stands before the names of the network in checkpoints that have a head ("bert.").
  plan_writer(const checkpoint& source, std::string prefix) : source_(source), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const;
  // The tensor as the checkpoint has it; null: it is not there.
  const stored_tensor* look(const std::string& name) const;
  // Both are there, and are the same bytes of the same file.
  bool same_place(const std::string& one, const std::string& other) const;

  // `name`: ours, by which it is found later (named_weights). `from`: the checkpoint's, several are put below one
  // another. A bias of a linear is `name`.bias; a linear that is not fp32 is a product of a layer (int8 where that is
  // the model's precision): it is used through apply() alone (layers.hpp).
  void tensor(std::string name, std::vector<std::int64_t> shape, std::vector<std::string> from, bool fp32 = false);
  void linear(const std::string& name, std::int64_t rows, std::int64_t columns, const std::vector<std::string>& from,
              bool bias = true, bool fp32 = false);
  void norm(const std::string& name, std::int64_t width, const std::string& from, bool bias = true, bool fp32 = false);
  // The first row of `plus` is added to each.
  void sum(std::string name, std::vector<std::int64_t> shape, const std::string& from, const std::string& plus);

  // From here on names are a head's: what is missing is told without the network's prefix.
  void begin_head() noexcept { in_head_ = true; }
  weight_plan& plan() noexcept { return plan_; }
  // Checked against the file; its parameters are counted. unprocessable: one is missing, or of another shape or type.
  result<weight_plan> finish();

 private:
  std::string find(const std::string& name) const;

  const checkpoint& source_;
  const std::string prefix_;
  mutable bool prefixed_ = false;  // something was found by its prefix
  bool in_head_ = false;
  weight_plan plan_;
};

}  // namespace troupe::inference
