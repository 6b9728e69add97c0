#pragma once

namespace troupe::inference {

// Makes LibTorch allocate CPU memory that is charged to the thread's account (inference/torch/memory.hpp).
void install_tagged_allocator();

}  // namespace troupe::inference
