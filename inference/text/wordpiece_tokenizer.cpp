#include "inference/text/wordpiece_tokenizer.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0U | c >> 6U));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0U | c >> 12U));
    out.push_back(static_cast<char>(0x80U | (c >> 6U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  } else {
    out.push_back(static_cast<char>(0xf0U | c >> 18U));
    out.push_back(static_cast<char>(0x80U | (c >> 12U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c >> 6U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  }
}

}  // namespace

void wordpiece_tokenizer::added_set::add(added_token token) {
  const auto first = token.content.front();
  if (first < 64)
    ascii_low |= std::uint64_t{1} << first;
  else if (first < 128)
    ascii_high |= std::uint64_t{1} << (first - 64);
  by_first[first].push_back(std::move(token));
}

void wordpiece_tokenizer::added_set::finish() {
  for (auto& [first, bucket] : by_first)
    std::stable_sort(bucket.begin(), bucket.end(),
                     [](const auto& a, const auto& b) { return a.content.size() > b.content.size(); });
}

const wordpiece_tokenizer::added_token* wordpiece_tokenizer::added_set::match(std::u32string_view text,
                                                                              std::size_t at) const {
  const auto first = text[at];
  if (first < 64 ? (ascii_low >> first & 1U) == 0 : first < 128 && (ascii_high >> (first - 64) & 1U) == 0)
    return nullptr;
  const auto bucket = by_first.find(first);
  if (bucket == by_first.end()) return nullptr;
  for (const auto& t : bucket->second)
    if (text.substr(at, t.content.size()) == t.content) return &t;
  return nullptr;
}

std::u32string wordpiece_tokenizer::normalize(std::u32string_view text) const {
  std::u32string current(text), next;
  for (const auto s : steps_) {
    next.clear();
    next.reserve(current.size());
    switch (s) {
      case step::clean:
        for (const auto c : current)
          if (!is_removed_by_cleaning(c)) next.push_back(is_space(c) ? U' ' : c);
        break;
      case step::space_chinese:
        for (const auto c : current) {
          if (!is_chinese(c))
            next.push_back(c);
          else
            next.append({U' ', c, U' '});
        }
        break;
      case step::decompose: next = decompose(current); break;
      case step::strip_nonspacing:
        for (const auto c : current)
          if (!is_nonspacing_mark(c)) next.push_back(c);
        break;
      case step::strip_marks:
        for (const auto c : current)
          if (!is_mark(c)) next.push_back(c);
        break;
      case step::lower:
        for (const auto c : current) append_lower(c, next);
        break;
    }
    current.swap(next);
  }
  return current;
}

// One text on its way to ids. Stops taking text when it has one id more than can be kept.
class text_to_ids {
 public:
  text_to_ids(const wordpiece_tokenizer& t, std::size_t keep, bool to_the_end)
      : t_(t), keep_(keep), to_the_end_(to_the_end) {}

  void text(std::u32string_view whole) {
    split(whole, t_.raw_, [this](std::u32string_view piece) { normalized_piece(piece); });
  }
  bool full() const { return !to_the_end_ && ids_.size() > keep_; }
  std::vector<std::int32_t>& ids() { return ids_; }

 private:
  // Finds added tokens from left to right, hands out what lies between them.
  template <class F>
  void split(std::u32string_view whole, const wordpiece_tokenizer::added_set& set, F between) {
    std::size_t done = 0;
    if (!set.by_first.empty()) {
      for (std::size_t at = 0; at < whole.size() && !full();) {
        const auto* token = set.match(whole, at);
        if (token == nullptr) {
          ++at;
          continue;
        }
        auto start = at, stop = at + token->content.size();
        at = stop;
        if (token->is_text) continue;
        if (token->single_word && ((start > 0 && is_word_character(whole[start - 1])) ||
                                   (stop < whole.size() && is_word_character(whole[stop]))))
          continue;
        if (token->lstrip)
          while (start > done && is_space(whole[start - 1])) --start;
        start = std::max(start, done);
        if (token->rstrip)
          while (stop < whole.size() && is_space(whole[stop])) ++stop;
        if (start > done) between(whole.substr(done, start - done));
        ids_.push_back(token->id);
        done = std::max(done, stop);
      }
    }
    if (done < whole.size() && !full()) between(whole.substr(done));
  }

  // Normalizes in windows, so that a long text is not normalized beyond what is kept.
  void normalized_piece(std::u32string_view piece) {
    if (!t_.normalized_.by_first.empty()) {
      const auto all = t_.normalize(piece);
      split(all, t_.normalized_, [this](std::u32string_view p) {
        words(p);
        flush();
      });
      return;
    }
    constexpr std::size_t window = 2048;
    while (!piece.empty() && !full()) {
      auto size = std::min(window, piece.size());
      while (size < piece.size() && !starts_new_cluster(piece[size])) ++size;
      words(t_.normalize(piece.substr(0, size)));
      piece.remove_prefix(size);
    }
    flush();
  }

  void words(std::u32string_view text) {
    for (const auto c : text) {
      if (full()) return;
      put(c);
    }
  }

  // One character through the pre-tokenizers; a later one sees the words of an earlier one, which for
  // these rules is the same as asking each rule in turn.
  void put(char32_t c) {
    bool space = false, alone = false;
    kind k = kind::other;
    for (const auto s : t_.splitters_) {
      switch (s) {
        case wordpiece_tokenizer::splitter::bert:
          space = space || is_space(c);
          alone = alone || is_punctuation(c);
          break;
        case wordpiece_tokenizer::splitter::whitespace: space = space || is_space(c); break;
        case wordpiece_tokenizer::splitter::word:
          space = space || is_space(c);
          k = is_word_character(c) ? kind::word : kind::symbol;
          break;
      }
    }
    if (space) return flush();
    if (alone || k != last_) flush();
    last_ = k;
    if (++characters_ <= t_.model_.word_characters_max()) append_utf8(c, word_);
    if (alone) flush();
  }

  void flush() {
    if (characters_ == 0) return;
    if (characters_ > t_.model_.word_characters_max())
      ids_.push_back(t_.model_.unknown_id());
    else
      t_.model_.encode(word_, ids_);
    word_.clear();
    characters_ = 0;
  }

  enum class kind { other, word, symbol };
  const wordpiece_tokenizer& t_;
  std::size_t keep_;
  bool to_the_end_;
  std::vector<std::int32_t> ids_;
  std::string word_;
  std::uint64_t characters_ = 0;
  kind last_ = kind::other;
};

result<std::vector<std::int32_t>> wordpiece_tokenizer::ids_of(std::string_view text, std::size_t keep,
                                                              bool cut_left) const {
  const auto decoded = decode_utf8(text);
  if (!decoded) return fail(error_code::unprocessable, "the text is not valid UTF-8");
  text_to_ids way(*this, keep, cut_left);
  way.text(*decoded);
  return std::move(way.ids());
}

namespace {

// `keep` of the ids, from the end that is not cut.
std::span<const std::int32_t> kept(std::span<const std::int32_t> ids, std::size_t keep, bool cut_left) {
  if (ids.size() <= keep) return ids;
  return cut_left ? ids.last(keep) : ids.first(keep);
}

// Of two texts in `room` ids: the longer one is cut, both where each is longer than half. As the tokenizers library
// (utils/truncation.rs, LongestFirst).
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t room) {
  const bool swapped = first > second;
  auto less = std::min(first, second), more = std::max(first, second);
  more = less > room ? less : std::max(less, std::min(more, room - less));
  if (less + more > room) {
    less = room / 2;
    more = less + room % 2;
  }
  return swapped ? std::pair{more, less} : std::pair{less, more};
}

}  // namespace

result<encoding> wordpiece_tokenizer::encode(std::string_view text, const encode_options& options) const {
  if (text.empty()) return fail(error_code::unprocessable, "the text is empty");
  if (options.details) {
    const auto made = twin();
    return made ? (*made)->encode(text, options) : tl::unexpected(made.error());
  }
  const std::size_t around = options.special_tokens ? special_count() : 0;
  const std::size_t keep = options.length_max > around ? options.length_max - around : 0;
  const bool cut_left = options.cut_left.value_or(cut_left_);
  const auto ids = ids_of(text, keep, cut_left);
  if (!ids) return tl::unexpected(ids.error());
  const auto taken = kept(*ids, keep, cut_left);
  encoding out;
  out.truncated = ids->size() > keep;
  out.ids.reserve(around + taken.size());
  if (options.special_tokens) out.ids = prefix_;
  out.ids.insert(out.ids.end(), taken.begin(), taken.end());
  if (options.special_tokens) out.ids.insert(out.ids.end(), suffix_.begin(), suffix_.end());
  if (out.ids.empty()) return fail(error_code::unprocessable, "the text has no token");
  return out;
}

result<encoding> wordpiece_tokenizer::encode_pair(std::string_view first, std::string_view second,
                                                  const encode_options& options) const {
  if (pair_.empty()) return fail(error_code::unprocessable, "this model's tokenizer describes no pairs of texts");
  if (first.empty() && second.empty()) return fail(error_code::unprocessable, "both texts are empty");
  if (options.details) {
    const auto made = twin();
    return made ? (*made)->encode_pair(first, second, options) : tl::unexpected(made.error());
  }
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  const auto a = ids_of(first, all, false), b = ids_of(second, all, false);
  for (const auto* ids : {&a, &b})
    if (!*ids) return tl::unexpected(ids->error());
  const auto room = room_for_pair(options, pair_special_count());
  if (!room) return tl::unexpected(room.error());
  encoding out;
  out.truncated = a->size() + b->size() > *room;
  if (out.truncated && options.cut_first_only && b->size() >= *room)
    return fail(error_code::unprocessable, "the second text leaves no room for the first");
  const auto [keep_a, keep_b] = !out.truncated           ? std::pair{a->size(), b->size()}
                                : options.cut_first_only ? std::pair{*room - b->size(), b->size()}
                                                         : longest_first(a->size(), b->size(), *room);
  for (const auto& part : pair_) {
    if (part.what == pair_part::kind::special) {
      if (options.special_tokens) out.ids.push_back(part.id);
    } else {
      const bool is_first = part.what == pair_part::kind::first;
      const auto taken = kept(is_first ? *a : *b, is_first ? keep_a : keep_b, options.cut_left.value_or(cut_left_));
      out.ids.insert(out.ids.end(), taken.begin(), taken.end());
    }
    out.types.resize(out.ids.size(), part.type);
  }
  return out;
}

result<std::vector<encoding>> wordpiece_tokenizer::encode_windows(std::string_view text, std::uint32_t stride,
                                                                  const encode_options& options) const {
  const auto made = twin();
  return made ? (*made)->encode_windows(text, stride, options) : tl::unexpected(made.error());
}

result<std::string> wordpiece_tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special,
                                                bool cleaned) const {
  const auto made = twin();
  return made ? (*made)->decode(ids, skip_special, cleaned) : tl::unexpected(made.error());
}

result<std::string> wordpiece_tokenizer::join(std::span<const std::int32_t> ids) const {
  const auto made = twin();
  return made ? (*made)->join(ids) : tl::unexpected(made.error());
}

std::optional<std::string> wordpiece_tokenizer::token_of(std::int32_t id) const {
  const auto made = twin();
  return made ? (*made)->token_of(id) : std::nullopt;
}

std::optional<std::int32_t> wordpiece_tokenizer::id_of(std::string_view token) const {
  if (const auto found = added_ids_.find(std::string(token)); found != added_ids_.end()) return found->second;
  return model_.id_of(token);
}

std::uint32_t wordpiece_tokenizer::pair_special_count() const noexcept {
  return static_cast<std::uint32_t>(
      std::count_if(pair_.begin(), pair_.end(), [](const auto& p) { return p.what == pair_part::kind::special; }));
}

result<void> wordpiece_tokenizer::make_details() const {
  const auto made = twin();
  return made ? result<void>{} : tl::unexpected(made.error());
}

result<std::shared_ptr<const library_tokenizer>> wordpiece_tokenizer::twin() const {
  const std::lock_guard lock(making_);
  if (twin_) return twin_;
  // The library tries all ends of a word from all its places.
  if (model_.word_characters_max() > library_word_characters_max)
    return fail(error_code::unprocessable, "words of more than " + std::to_string(library_word_characters_max) +
                                               " characters (max_input_chars_per_word) are not supported here");
  auto parts = parts_;
  auto& model = parts.model;
  model = R"({"type":"WordPiece","unk_token":)" + json_quoted(model_.settings().unknown_token) +
          R"(,"continuing_subword_prefix":)" + json_quoted(model_.settings().continuing_prefix) +
          R"(,"max_input_chars_per_word":)" + std::to_string(model_.word_characters_max()) + R"(,"vocab":{)";
  const char* between = "";
  const auto add = [&](std::string_view word, std::int32_t id) {
    model += between + json_quoted(word) + ':' + std::to_string(id);
    between = ",";
  };
  model_.each(add);
  if (empty_word_) add("", *empty_word_);
  model += "}}";
  auto made = library_tokenizer::make(parts, facts_);
  if (!made) return tl::unexpected(made.error());
  twin_bytes_ = (*made)->memory_bytes();
  return twin_ = *made;
}

std::size_t wordpiece_tokenizer::memory_bytes() const noexcept {
  return sizeof *this + model_.memory_bytes() + twin_bytes_.load();
}

}  // namespace troupe::inference
