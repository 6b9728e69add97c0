#pragma once
// A second architecture and a second task, added from outside: nothing else knows of them.
//
//   "TinyAttention"     config.json: vocab_size, hidden_size, num_attention_heads, max_position_embeddings; tensors
//                       embeddings.weight [vocabulary, hidden], attention.weight [3 hidden, hidden], attention.bias.
//                       One layer of attention over the embeddings; gives token states.
//   feature-extraction  the mean of the tokens' states
//
// Adds both; once, before the first load.

namespace troupe::tests {

void add_second_architecture();

}  // namespace troupe::tests
