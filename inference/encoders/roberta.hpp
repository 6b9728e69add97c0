#pragma once
// RoBERTa's heads, which MPNet has as well.

#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {

class roberta_config final : public post_norm_config {
 public:
  using post_norm_config::post_norm_config;
  head_recipe head(head_kind kind) const override;
};

}  // namespace troupe::inference
