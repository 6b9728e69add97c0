#pragma once
// DeBERTa: attention that looks at what two tokens say and at how far apart they are. Sources: transformers'
// modeling_deberta_v2.py (DeBERTa v2 and v3, mDeBERTa) and modeling_deberta.py (v1). No Torch types.

#include "inference/encoders/family.hpp"

namespace troupe::inference {

family deberta_v1();
family deberta_v2();

}  // namespace troupe::inference
