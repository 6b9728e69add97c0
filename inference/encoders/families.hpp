#pragma once
// The families of encoders: each has a file of its own. Rows for the table of architectures (inference/tables.cpp).

#include "inference/encoders/family.hpp"

namespace troupe::inference {

family albert();
family bert();
family camembert();
family distilbert();
family electra();
family mpnet();
family roberta();
family xlm_roberta();

}  // namespace troupe::inference
