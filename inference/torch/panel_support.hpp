#pragma once
// Whether products run on panels here (inference/torch/panel_linear.hpp), for those who do not see Torch.

namespace troupe::inference {

// Weights that are laid out from now on are in panels where they can be; false until use_.._panels(). Any thread.
bool fp32_in_panels() noexcept;
bool bf16_in_panels() noexcept;
// The whole process; before models are loaded. Nothing where has_panel_linear(), has_bf16_panel_linear() are false.
void use_fp32_panels(bool panels) noexcept;
void use_bf16_panels(bool panels) noexcept;

}  // namespace troupe::inference
