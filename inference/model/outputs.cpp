#include "inference/model/outputs.hpp"

namespace troupe::inference {
namespace {

struct counter {
  std::uint64_t operator()(std::monostate) const noexcept { return 0; }
  std::uint64_t operator()(const label_scores& s) const noexcept { return s.values.size() * sizeof(float); }
  std::uint64_t operator()(const single_score&) const noexcept { return 0; }
  std::uint64_t operator()(const embedding& e) const noexcept { return e.values.size() * sizeof(float); }
  std::uint64_t operator()(const token_embeddings& e) const noexcept { return e.values.size() * sizeof(float); }
  std::uint64_t operator()(const spans& s) const noexcept {
    std::uint64_t sum = 0;
    for (const auto& one : s.found) sum += sizeof one + one.label.size() + one.word.size();
    return sum;
  }
  std::uint64_t operator()(const mask_candidates& c) const noexcept {
    std::uint64_t sum = 0;
    for (const auto& mask : c.masks)
      for (const auto& one : mask) sum += sizeof one + one.token.size() + one.sequence.size();
    return sum;
  }
  std::uint64_t operator()(const named_tensors& t) const noexcept {
    std::uint64_t sum = 0;
    for (const auto& one : t.all)
      sum += sizeof one + one.name.size() + one.value.data.size() + one.value.shape.size() * sizeof(std::int64_t);
    return sum;
  }
  std::uint64_t operator()(const transcript& t) const noexcept {
    std::uint64_t sum = t.text.size();
    for (const auto& one : t.tokens) sum += sizeof one + one.text.size();
    return sum;
  }
  std::uint64_t operator()(const voice_activity& v) const noexcept { return v.found.size() * sizeof(voice_span); }
};

}  // namespace

std::uint64_t size_bytes(const output& out) noexcept { return std::visit(counter{}, out); }

}  // namespace troupe::inference
