#include "bare_encoder.hpp"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace bare {
namespace {

template <class Signature>
auto operation(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

using scalars = c10::List<std::optional<at::Scalar>>;

at::Tensor linear_pointwise(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& b,
                            const char* what, std::optional<std::string_view> algorithm) {
  static const auto op =
      operation<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                           scalars, std::optional<std::string_view>)>("mkldnn::_linear_pointwise");
  return op.call(x, w, b, what, scalars(), algorithm);
}
at::Tensor linear_add(const at::Tensor& x, const at::Tensor& other, const at::Tensor& w,
                      const std::optional<at::Tensor>& b) {
  static const auto op =
      operation<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                           std::string_view)>("mkldnn::_linear_pointwise", "binary");
  return op.call(x, other, w, b, "add");
}
at::Tensor reorder(const at::Tensor& w) {
  static const auto op =
      operation<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>("mkldnn::_reorder_linear_weight");
  return op.call(w, std::nullopt);
}
at::Tensor mkl_reorder(const at::Tensor& w, int64_t rows) {
  static const auto op = operation<at::Tensor(const at::Tensor&, int64_t)>("mkl::_mkl_reorder_linear_weight");
  return op.call(w, rows);
}
at::Tensor mkl_linear(const at::Tensor& x, const linear& l) {
  static const auto op = operation<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                              const std::optional<at::Tensor>&, int64_t)>("mkl::_mkl_linear");
  return op.call(x, l.prepared, l.weight, l.bias, -1);
}
at::Tensor onednn_prepack(const at::Tensor& w) {
  static const auto op =
      operation<at::Tensor(at::Tensor, std::optional<c10::List<int64_t>>)>("onednn::qlinear_prepack");
  return op.call(w, std::nullopt);
}
at::Tensor onednn_qlinear(const at::Tensor& x, double scale, int64_t zero, const linear& l, at::ScalarType out,
                          const char* post) {
  static const auto op = operation<at::Tensor(
      at::Tensor, double, int64_t, at::Tensor, at::Tensor, at::Tensor, std::optional<at::Tensor>, double, int64_t,
      std::optional<at::ScalarType>, std::string_view, scalars, std::string_view)>("onednn::qlinear_pointwise");
  return op.call(x, scale, zero, l.prepared, l.scales, l.zeros, l.bias, 1.0, 0, out, post, scalars(), "none");
}

/// Symmetric int8, one scale an output row.
std::pair<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& w) {
  const auto wide = w.to(at::kFloat);
  auto scales = wide.abs().amax(1).clamp_min(1e-8).div_(127);
  auto q = wide.div(scales.unsqueeze(1)).round_().clamp_(-127, 127).to(at::kChar);
  return {q, scales};
}

}  // namespace

linear_kind linear_kind_of(const std::string& name) {
  if (name == "aten") return linear_kind::aten;
  if (name == "onednn_plain") return linear_kind::onednn_plain;
  if (name == "onednn") return linear_kind::onednn;
  if (name == "mkl") return linear_kind::mkl;
  if (name == "int8_fbgemm") return linear_kind::int8_fbgemm;
  if (name == "int8_onednn") return linear_kind::int8_onednn;
  throw std::invalid_argument("unknown kind of linear: " + name);
}
attention_kind attention_kind_of(const std::string& name) {
  if (name == "sdpa") return attention_kind::sdpa;
  if (name == "flash") return attention_kind::flash;
  if (name == "math") return attention_kind::math;
  if (name == "fastest") return attention_kind::fastest;
  throw std::invalid_argument("unknown kind of attention: " + name);
}

shape shape_6x384() { return {}; }
shape shape_12x768() { return {12, 768, 12, 3072, 30522, 512, 5}; }

// --- weights -----------------------------------------------------------------------------------

int64_t weights::bytes(const shape& s, at::ScalarType type) {
  const int64_t h = s.hidden, a_layer = 4 * (h * h + h) + 2 * h * s.inner + s.inner + h + 4 * h;
  const int64_t elements =
      (s.vocabulary + s.positions + 1) * h + 2 * h + s.layers * a_layer + (h * h + h) + (s.labels * h + s.labels);
  return elements * static_cast<int64_t>(c10::elementSize(type)) + 64 * (16 * s.layers + 16);
}

void weights::write(const std::string& path, const shape& s, at::ScalarType type) {
  struct stat st {};
  const int64_t size = bytes(s, type);
  if (stat(path.c_str(), &st) == 0 && st.st_size == size) return;
  at::manual_seed(1);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  const auto width = static_cast<int64_t>(c10::elementSize(type));
  for (int64_t done = 0; done < size;) {
    const int64_t n = std::min<int64_t>(1 << 20, (size - done + width - 1) / width);
    // The same numbers in every type, so that outputs can be compared.
    const auto values = (at::randn({n}, at::kFloat) * 0.03).to(type);
    const int64_t now = std::min(n * width, size - done);
    out.write(static_cast<const char*>(values.data_ptr()), now);
    done += now;
  }
  if (!out) throw std::runtime_error("cannot write " + path);
}

weights::weights(const std::string& path, const shape& s, at::ScalarType type) : size_(bytes(s, type)), type_(type) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("cannot open " + path);
  base_ = mmap(nullptr, static_cast<size_t>(size_), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  if (base_ == MAP_FAILED) throw std::runtime_error("cannot map " + path);
}
weights::~weights() { munmap(base_, static_cast<size_t>(size_)); }

at::Tensor weights::next(at::IntArrayRef sizes) {
  const int64_t elements = c10::multiply_integers(sizes);
  auto t = at::from_blob(static_cast<char*>(base_) + offset_, sizes, at::TensorOptions().dtype(type_));
  offset_ += elements * static_cast<int64_t>(c10::elementSize(type_));
  return t;
}

// --- batches -----------------------------------------------------------------------------------

batch packed(std::vector<int64_t> lengths, int64_t step, const shape& s, at::ScalarType type) {
  std::sort(lengths.begin(), lengths.end());
  batch b;
  std::vector<int64_t> positions, firsts;
  for (size_t i = 0; i < lengths.size();) {
    const int64_t length = (lengths[i] + step - 1) / step * step;
    group g{static_cast<int64_t>(positions.size()), 0, length, {}};
    std::vector<int64_t> real;
    for (; i < lengths.size() && lengths[i] <= length; ++i) {
      firsts.push_back(static_cast<int64_t>(positions.size()));
      for (int64_t p = 0; p < length; ++p) positions.push_back(p);
      real.push_back(lengths[i]);
      b.real_tokens += lengths[i];
      ++g.rows;
    }
    if (real.front() != length) {
      auto mask = at::zeros({g.rows, 1, 1, length}, at::kFloat);
      for (int64_t r = 0; r < g.rows; ++r) mask[r].slice(-1, real[static_cast<size_t>(r)]).fill_(-10000.0);
      g.mask = mask.to(type);
    }
    b.groups.push_back(std::move(g));
  }
  b.positions = at::tensor(positions, at::kLong);
  b.firsts = at::tensor(firsts, at::kLong);
  b.ids = at::randint(1, s.vocabulary, {static_cast<int64_t>(positions.size())}, at::kLong);
  return b;
}

batch padded(const std::vector<int64_t>& lengths, const shape& s, at::ScalarType type) {
  return packed(lengths, *std::max_element(lengths.begin(), lengths.end()), s, type);
}

// --- the encoder -------------------------------------------------------------------------------

linear encoder::prepare(const at::Tensor& weight, const at::Tensor& bias) const {
  linear l;
  l.bias = bias;
  switch (options_.linear) {
    case linear_kind::aten:
    case linear_kind::onednn_plain: l.weight = weight; break;
    case linear_kind::onednn: l.prepared = reorder(weight); break;
    case linear_kind::mkl:
      l.weight = weight;
      l.prepared = mkl_reorder(weight, 64);
      break;
    case linear_kind::int8_fbgemm: {
      auto [q, scales] = quantize_rows(weight);
      auto w =
          at::_make_per_channel_quantized_tensor(q, scales.to(at::kDouble), at::zeros({weight.size(0)}, at::kLong), 0);
      static const auto op =
          operation<c10::intrusive_ptr<LinearPackedParamsBase>(at::Tensor, std::optional<at::Tensor>)>(
              "quantized::linear_prepack");
      l.quantized = op.call(w, bias.to(at::kFloat));
      break;
    }
    case linear_kind::int8_onednn: {
      auto [q, scales] = quantize_rows(weight);
      l.prepared = onednn_prepack(q);
      l.scales = scales;
      l.zeros = at::zeros({weight.size(0)}, at::kInt);
      l.bias = bias.to(at::kFloat);
      break;
    }
  }
  return l;
}

at::Tensor encoder::apply(const linear& l, const at::Tensor& x, bool gelu, const at::Tensor& residual) const {
  const char* form = options_.tanh_gelu ? "tanh" : "none";
  at::Tensor y;
  switch (options_.linear) {
    case linear_kind::onednn_plain:
    case linear_kind::onednn: {
      const auto& w = options_.linear == linear_kind::onednn ? l.prepared : l.weight;
      if (gelu) return linear_pointwise(x, w, l.bias, "gelu", form);
      if (residual.defined()) return linear_add(x, residual, w, l.bias);
      return linear_pointwise(x, w, l.bias, "none", std::nullopt);
    }
    case linear_kind::aten: y = at::linear(x, l.weight, l.bias); break;
    case linear_kind::mkl: y = mkl_linear(x, l); break;
    case linear_kind::int8_fbgemm: {
      static const auto op = operation<at::Tensor(at::Tensor, const c10::intrusive_ptr<LinearPackedParamsBase>&, bool)>(
          "quantized::linear_dynamic");
      y = op.call(x, l.quantized, false);
      break;
    }
    case linear_kind::int8_onednn: {
      const auto [low, high] = at::aminmax(x);
      const float a = std::min(low.item<float>(), 0.f), z = std::max(high.item<float>(), 0.f);
      const double scale = std::max((z - a) / 255.0, 1e-9);
      const auto zero = static_cast<int64_t>(std::lround(-a / scale));
      const auto q = at::quantize_per_tensor(x, scale, zero, at::kQUInt8).int_repr();
      y = onednn_qlinear(q, scale, zero, l, at::kFloat, "none");
      break;
    }
  }
  if (gelu) at::gelu_(y, form);
  if (residual.defined()) y.add_(residual);
  return y;
}

encoder::encoder(const shape& s, const options& o, std::shared_ptr<weights> w)
    : shape_(s), options_(o), weights_(std::move(w)) {
  c10::InferenceMode guard;
  struct {
    weights& file;
    at::ScalarType type;
    at::Tensor next(at::IntArrayRef sizes) { return file.next(sizes).to(type); }
  } f{*weights_, o.type};
  const int64_t h = s.hidden;
  // Norms: random numbers around one and zero as good as any others.
  words_ = f.next({s.vocabulary, h});
  places_ = f.next({s.positions, h});
  type_ = f.next({h});
  norm_weight_ = f.next({h}) + 1;
  norm_bias_ = f.next({h});
  for (int64_t i = 0; i < s.layers; ++i) {
    layer l;
    auto qkv = f.next({3 * h, h}), qkv_bias = f.next({3 * h});
    if (o.fused_qkv) {
      l.qkv = prepare(qkv, qkv_bias);
    } else {
      l.q = prepare(qkv.narrow(0, 0, h), qkv_bias.narrow(0, 0, h));
      l.k = prepare(qkv.narrow(0, h, h), qkv_bias.narrow(0, h, h));
      l.v = prepare(qkv.narrow(0, 2 * h, h), qkv_bias.narrow(0, 2 * h, h));
    }
    const auto out = f.next({h, h}), out_bias = f.next({h});
    l.out = prepare(out, out_bias);
    l.norm1_weight = f.next({h}) + 1;
    l.norm1_bias = f.next({h});
    const auto up = f.next({s.inner, h}), up_bias = f.next({s.inner});
    l.up = prepare(up, up_bias);
    const auto down = f.next({h, s.inner}), down_bias = f.next({h});
    l.down = prepare(down, down_bias);
    l.norm2_weight = f.next({h}) + 1;
    l.norm2_bias = f.next({h});
    layers_.push_back(std::move(l));
  }
  pooler_.weight = f.next({h, h});
  pooler_.bias = f.next({h});
  head_.weight = f.next({s.labels, h});
  head_.bias = f.next({s.labels});
}

at::Tensor encoder::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const group& g) const {
  const auto mask = g.mask.defined() ? std::optional<at::Tensor>(g.mask) : std::nullopt;
  auto kind = options_.attention;
  if (kind == attention_kind::fastest) {
    const bool products = options_.type == at::kBFloat16 && (g.length >= 48 || (g.length >= 16 && g.rows >= 4));
    kind = products ? attention_kind::math : attention_kind::flash;
  }
  switch (kind) {
    case attention_kind::fastest: break;
    case attention_kind::sdpa: return at::scaled_dot_product_attention(q, k, v, mask);
    case attention_kind::flash:
      return std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
          q, k, v, 0.0, false,
          g.mask.defined() ? std::optional<at::Tensor>(g.mask.expand({g.rows, 1, g.length, g.length})) : std::nullopt));
    case attention_kind::math: {
      const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
      auto scores = at::matmul(q * scale, k.transpose(-1, -2));
      if (g.mask.defined()) scores.add_(g.mask);
      return at::matmul(at::softmax(scores, -1), v);
    }
  }
  return {};
}

at::Tensor encoder::forward(const batch& b) const {
  c10::InferenceMode guard;
  const int64_t h = shape_.hidden, heads = shape_.heads, width = h / heads, tokens = b.ids.size(0);
  auto x = at::index_select(words_, 0, b.ids).add_(at::index_select(places_, 0, b.positions)).add_(type_);
  x = at::layer_norm(x, {h}, norm_weight_, norm_bias_, 1e-12);
  for (const auto& l : layers_) {
    at::Tensor q, k, v;
    if (options_.fused_qkv) {
      auto parts = apply(l.qkv, x, false, {}).view({tokens, 3, h});
      q = parts.select(1, 0), k = parts.select(1, 1), v = parts.select(1, 2);
    } else {
      q = apply(l.q, x, false, {}), k = apply(l.k, x, false, {}), v = apply(l.v, x, false, {});
    }
    const auto split = [&](const at::Tensor& t, const group& g) {
      const int64_t stride = t.stride(0);
      return t.as_strided({g.rows, heads, g.length, width}, {g.length * stride, width, stride, 1},
                          t.storage_offset() + g.first * stride);
    };
    std::vector<at::Tensor> results;
    results.reserve(b.groups.size());
    for (const auto& g : b.groups)
      results.push_back(
          attend(split(q, g), split(k, g), split(v, g), g).transpose(1, 2).reshape({g.rows * g.length, h}));
    const auto context = results.size() == 1 ? results.front() : at::cat(results);
    x = apply(l.out, context, false, x);
    x = at::layer_norm(x, {h}, l.norm1_weight, l.norm1_bias, 1e-12);
    const auto wide = apply(l.up, x, true, {});
    x = apply(l.down, wide, false, x);
    x = at::layer_norm(x, {h}, l.norm2_weight, l.norm2_bias, 1e-12);
  }
  const auto pooled = at::tanh(at::linear(at::index_select(x, 0, b.firsts), pooler_.weight, pooler_.bias));
  return at::linear(pooled, head_.weight, head_.bias).to(at::kFloat);
}

double encoder::linear_flops(const shape& s, int64_t tokens) {
  const auto h = static_cast<double>(s.hidden);
  return 2.0 * static_cast<double>(tokens) * static_cast<double>(s.layers) *
         (4 * h * h + 2 * h * static_cast<double>(s.inner));
}

}  // namespace bare
