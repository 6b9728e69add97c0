// A BERT encoder with random weights and nothing around it: the limit that a server is compared with.
// It runs padded batches and packed ("varlen") ones: the linears see all tokens as one matrix, only
// attention sees groups of rows of one length.
#pragma once

#include <ATen/ATen.h>
#include <ATen/native/quantized/PackedParams.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bare {

enum class linear_kind {
  aten,          // at::linear on the weight as it lies in the file
  onednn_plain,  // mkldnn::_linear_pointwise on the weight as it lies in the file (fused GELU and residual)
  onednn,        // the same on a weight reordered once (private memory)
  mkl,           // mkl::_mkl_linear on a packed weight (fp32 only)
  int8_fbgemm,   // quantized::linear_dynamic, per-channel int8 weights
  int8_onednn,   // onednn::qlinear_pointwise on plain int8 tensors, activations quantized a tensor
};
enum class attention_kind {
  sdpa,    // at::scaled_dot_product_attention
  flash,   // the CPU flash kernel called directly
  math,    // two batched products and a softmax
  fastest  // whichever of flash and math was measured faster for the type, rows and length
};

linear_kind linear_kind_of(const std::string& name);
attention_kind attention_kind_of(const std::string& name);

struct shape {
  int64_t layers = 6, hidden = 384, heads = 12, inner = 1536;
  int64_t vocabulary = 30522, positions = 512, labels = 5;
};
shape shape_6x384();
shape shape_12x768();

struct options {
  at::ScalarType type = at::kFloat;
  linear_kind linear = linear_kind::aten;
  attention_kind attention = attention_kind::fastest;
  bool fused_qkv = true;   // q, k and v as one linear (a private copy unless the file has them together)
  bool tanh_gelu = false;  // BERT's is the erf form
};

/// A file of random weights in one type, mapped privately. Tensors are views into it.
class weights {
 public:
  /// Writes the file when it does not exist or has another size.
  static void write(const std::string& path, const shape& s, at::ScalarType type);
  /// Maps it; touches nothing. Tensors of another type than the encoder's are converted by it.
  weights(const std::string& path, const shape& s, at::ScalarType type);
  ~weights();
  weights(const weights&) = delete;
  weights& operator=(const weights&) = delete;
  at::Tensor next(at::IntArrayRef sizes);
  static int64_t bytes(const shape& s, at::ScalarType type);
  void* base() const { return base_; }
  int64_t size() const { return size_; }

 private:
  void* base_ = nullptr;
  int64_t size_ = 0, offset_ = 0;
  at::ScalarType type_;
};

/// `rows` sequences that occupy `rows * length` consecutive tokens; mask is undefined when none is padded.
struct group {
  int64_t first = 0, rows = 0, length = 0;
  at::Tensor mask;  // additive, [rows, 1, 1, length], in the model's type
};
struct batch {
  at::Tensor ids, positions;  // [tokens]
  at::Tensor firsts;          // [sequences] index of each sequence's first token
  std::vector<group> groups;
  int64_t real_tokens = 0;
};
/// All sequences padded to the longest; no mask when all are equally long.
batch padded(const std::vector<int64_t>& lengths, const shape& s, at::ScalarType type);
/// Sorted by length; lengths are rounded up to a multiple of `step` (1: exact, no mask) and grouped.
batch packed(std::vector<int64_t> lengths, int64_t step, const shape& s, at::ScalarType type);
/// `rows` x `length`.
inline batch even(int64_t rows, int64_t length, const shape& s, at::ScalarType type) {
  return padded(std::vector<int64_t>(static_cast<size_t>(rows), length), s, type);
}

struct linear {
  at::Tensor weight, bias, prepared, scales, zeros;
  c10::intrusive_ptr<LinearPackedParamsBase> quantized;
};

class encoder {
 public:
  encoder(const shape& s, const options& o, std::shared_ptr<weights> w);
  /// Logits [sequences, labels] in fp32. Runs under InferenceMode, on the calling thread's OpenMP team.
  at::Tensor forward(const batch& b) const;
  /// Multiply-adds times two of the linears for that many tokens.
  static double linear_flops(const shape& s, int64_t tokens);

 private:
  struct layer {
    linear qkv, q, k, v, out, up, down;
    at::Tensor norm1_weight, norm1_bias, norm2_weight, norm2_bias;
  };
  linear prepare(const at::Tensor& weight, const at::Tensor& bias) const;
  at::Tensor apply(const linear& l, const at::Tensor& x, bool gelu, const at::Tensor& residual) const;
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const group& g) const;

  shape shape_;
  options options_;
  std::shared_ptr<weights> weights_;
  at::Tensor words_, places_, type_, norm_weight_, norm_bias_;
  linear pooler_, head_;
  std::vector<layer> layers_;
};

}  // namespace bare
