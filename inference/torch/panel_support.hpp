#pragma once
// Whether fp32 products run on panels here (inference/torch/panel_linear.hpp), for those who do not see Torch.

namespace troupe::inference {

// Weights that are laid out from now on are in panels where they can be; false until use_fp32_panels(). Any thread.
bool fp32_in_panels() noexcept;
// The whole process; before models are loaded. Nothing where has_panel_linear() is false.
void use_fp32_panels(bool panels) noexcept;

}  // namespace troupe::inference
