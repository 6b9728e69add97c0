#pragma once
// A tokenizer made of the tokenizers library (library/library.h): whatever tokenizer.json can say. Internal to
// tokenizer::load and to wordpiece_tokenizer, which has one for what asks for more than ids.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/text/tokenizer.hpp"

struct troupe_library;

namespace troupe::inference {

// The text as a JSON string, quotes included. `text` is UTF-8.
std::string json_quoted(std::string_view text);

// WordPiece is cubic in a word's length there.
inline constexpr std::uint32_t library_word_characters_max = 200;

// A token that is found in texts as it stands, with its flags.
struct library_token {
  std::string content;
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

// The parts of a tokenizer, each as tokenizer.json has it.
struct library_parts {
  std::string model, normalizer = "null", pre_tokenizer = "null", post_processor = "null", decoder = "null";
  std::vector<library_token> added;  // in the order in which new ones get ids
  bool split_special_tokens = false;
};

// What is known of it beyond its parts.
struct library_facts {
  special_ids specials;
  std::string continuing_prefix, notes;
  std::uint32_t length_max = 0;
  bool typed = true;
  bool cut_left = false;
  bool clean_up = false;  // what decode() makes of its words, as the class has it
  std::int32_t largest_id = -1;
};

// The library's handle. Made and changed on one thread; then any thread may ask.
class library_handle {
 public:
  // unprocessable: what the library says of the parts.
  static result<library_handle> make(const library_parts& parts);
  library_handle(library_handle&& other) noexcept : library_(std::exchange(other.library_, nullptr)) {}
  library_handle& operator=(library_handle&& other) noexcept {
    std::swap(library_, other.library_);
    return *this;
  }
  ~library_handle();

  result<void> add(const std::vector<library_token>& tokens);
  result<void> frame(std::string_view post_processor);
  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::size_t vocabulary_size() const noexcept;
  const troupe_library* get() const noexcept { return library_; }

 private:
  explicit library_handle(troupe_library* library) : library_(library) {}
  troupe_library* library_ = nullptr;
};

// Immutable; any thread.
class library_tokenizer final : public tokenizer {
 public:
  static result<std::shared_ptr<const library_tokenizer>> make(const library_parts& parts, library_facts facts);
  // unprocessable: the frame cannot be put around a text.
  static result<std::shared_ptr<const library_tokenizer>> make(library_handle library, library_facts facts);

  using tokenizer::encode;
  using tokenizer::encode_pair;
  result<encoding> encode(std::string_view text, const encode_options& options) const override;
  result<encoding> encode_pair(std::string_view first, std::string_view second,
                               const encode_options& options) const override;
  result<std::vector<encoding>> encode_windows(std::string_view text, std::uint32_t stride,
                                               const encode_options& options) const override;
  result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special, bool cleaned) const override;
  result<std::string> join(std::span<const std::int32_t> ids) const override;
  std::optional<std::string> token_of(std::int32_t id) const override;
  std::optional<std::int32_t> id_of(std::string_view token) const override { return library_.id_of(token); }
  const special_ids& specials() const noexcept override { return facts_.specials; }
  std::string_view continuing_prefix() const noexcept override { return facts_.continuing_prefix; }
  result<void> make_details() const override { return {}; }

  std::uint32_t special_count() const noexcept override { return special_count_; }
  std::uint32_t pair_special_count() const noexcept override { return pair_special_count_; }
  std::int32_t largest_id() const noexcept override { return facts_.largest_id; }
  std::uint32_t length_max() const noexcept override { return facts_.length_max; }
  bool typed() const noexcept override { return facts_.typed; }
  const std::string& notes() const noexcept override { return facts_.notes; }
  std::size_t memory_bytes() const noexcept override { return memory_bytes_; }

 private:
  library_tokenizer(library_handle library, library_facts facts)
      : library_(std::move(library)), facts_(std::move(facts)) {}
  struct question;
  result<std::vector<encoding>> ask(const question& q) const;

  library_handle library_;
  library_facts facts_;
  std::uint32_t special_count_ = 0, pair_special_count_ = 0;
  std::size_t memory_bytes_ = 0;
};

// How many ids of two texts fit beside `specials`. unprocessable: none of each.
result<std::size_t> room_for_pair(const encode_options& options, std::size_t specials);

}  // namespace troupe::inference
