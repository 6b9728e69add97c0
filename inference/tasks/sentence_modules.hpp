#pragma once
// What sentence-transformers' modules make of a text's tokens: Pooling, then Dense, LayerNorm and Normalize in any
// order. Without a modules.json: the mean. Computed on the host, in double over weights in fp32.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "inference/tasks/pooling.hpp"
#include "inference/tasks/sentence_config.hpp"
#include "inference/tasks/torch_activation.hpp"

namespace troupe::inference {

// y = act(W x + b), and what the input adds to it.
struct dense_module {
  std::size_t inputs = 0, outputs = 0;
  std::vector<float> weight;    // [inputs, outputs]: turned, so that a column is one run
  std::vector<float> bias;      // empty: none
  std::vector<float> residual;  // as weight; empty: none of its own
  bool adds_input = false;      // without weights
  scalar_function activation = identity;
};
struct layer_norm_module {
  std::vector<float> weight, bias;
};
struct normalize_module {};
using sentence_step = std::variant<dense_module, layer_norm_module, normalize_module>;

// Immutable; any thread.
class sentence_modules {
 public:
  // `hidden_size`: of a token's line. unprocessable: a module or a value that is not supported, told by name; weights
  // that are missing or have another shape.
  static result<sentence_modules> read(const sentence_config& config, std::int64_t hidden_size);
  // The same by their settings alone, without weights: of use for what they take.
  static result<sentence_modules> plan(const sentence_config& config, std::int64_t hidden_size);

  const pooling& pools() const noexcept { return pooling_; }
  std::size_t width() const noexcept { return width_; }  // of the vector
  bool normalizes() const noexcept;                      // its vectors have length 1
  // `normalized` false leaves out the Normalize at the end.
  std::vector<double> vector_of(const token_lines& given, std::size_t skipped, bool normalized) const;
  std::uint64_t memory_bytes() const noexcept { return weights_ * sizeof(float); }
  const std::string& notes() const noexcept { return notes_; }

 private:
  explicit sentence_modules(bool with_weights) : with_weights_(with_weights) {}

  result<void> add_all(const sentence_config& config, std::int64_t hidden_size);
  result<void> add(const sentence_module& module);
  result<void> add_dense(const sentence_module& module);
  result<void> add_layer_norm(const sentence_module& module);

  pooling pooling_;
  std::vector<sentence_step> steps_;
  bool with_weights_;
  std::size_t width_ = 0;
  std::uint64_t weights_ = 0;  // numbers, read or not
  std::string notes_;
};

// To length 1; what has none stays.
void normalize(std::span<double> values) noexcept;

}  // namespace troupe::inference
