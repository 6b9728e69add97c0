#include "inference/speech/ct_transformer.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "inference/files/files.hpp"
#include "inference/speech/ct_transformer_folder.hpp"
#include "inference/speech/ct_transformer_network.hpp"
#include "inference/speech/speech_load.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

struct parts {
  ct_transformer_settings settings;
  ct_transformer_reader reader;
  std::shared_ptr<memory_account> account = std::make_shared<memory_account>();
  std::shared_ptr<const ct_transformer_network> network;
  std::uint64_t charged_bytes = 0;

  parts(ct_transformer_settings s, ct_transformer_reader r) : settings(std::move(s)), reader(std::move(r)) {}
  ~parts() {
    network.reset();
    account->release(charged_bytes);
  }
};

struct words_and_ids {
  std::vector<std::string> words;
  std::vector<std::int32_t> ids;  // one a word
};

std::uint64_t size_bytes(const words_and_ids& text) {
  static const auto inside = std::string().capacity();
  std::uint64_t bytes = 0;
  for (const auto& word : text.words)
    bytes += sizeof(std::string) + sizeof(std::int32_t) + (word.capacity() > inside ? word.capacity() + 1 : 0);
  return bytes;
}

struct prepared_words final : prepared {
  words_and_ids text;
};

// Between two items: of increments, the words that are pending. Within one: those and its own, and how far they are
// read.
class punctuation_state final : public state {
 public:
  // `increments`: its items are such, and the words that are pending are charged there. Null: they are whole texts.
  explicit punctuation_state(std::shared_ptr<memory_account> increments) : increments_(std::move(increments)) {}
  ~punctuation_state() override { charge(0); }
  bool under_way() const noexcept { return under_way_; }
  const std::string& end_mark() const noexcept { return end_mark_; }

  void begin(const words_and_ids& more) {
    pending_ = text_.words.size();
    text_.words.insert(text_.words.end(), more.words.begin(), more.words.end());
    text_.ids.insert(text_.ids.end(), more.ids.begin(), more.ids.end());
    windows_ = mark_windows(text_.words.size());
    under_way_ = true;
  }

  ct_transformer_row row() const {
    return {std::span(text_.ids).subspan(windows_.begin(), windows_.end() - windows_.begin()), pending_};
  }

  // True: the item's text is done.
  bool take(std::span<const std::int32_t> found, const punctuation_marks& marks) {
    windows_.take(found, marks);
    return windows_.done();
  }

  // Of an item that is done; the next one may begin.
  std::string finish(const ct_transformer_settings& settings) {
    under_way_ = false;
    if (!increments_) {
      auto made = punctuate(text_.words, windows_, settings.marks);
      text_ = {};
      return std::move(made.text);
    }
    auto made = punctuate_increment(text_.words, pending_, windows_, settings.marks);
    const auto read = text_.words.size() - made.pending.size();
    text_.ids.erase(text_.ids.begin(), text_.ids.begin() + static_cast<std::ptrdiff_t>(read));
    text_.words = std::move(made.pending);
    charge(size_bytes(text_));
    end_mark_ = std::move(made.end_mark);
    return std::move(made.text);
  }

 private:
  void charge(std::uint64_t bytes) noexcept {
    if (!increments_) return;
    increments_->charge(bytes);
    increments_->release(std::exchange(charged_bytes_, bytes));
  }

  const std::shared_ptr<memory_account> increments_;
  std::string end_mark_;
  std::uint64_t charged_bytes_ = 0;
  words_and_ids text_;
  std::size_t pending_ = 0;
  mark_windows windows_;
  bool under_way_ = false;
};

class punctuation_instance final : public instance {
 public:
  explicit punctuation_instance(std::shared_ptr<const parts> p)
      : parts_(std::move(p)), lane_(parts_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(parts_->account);
    std::vector<row*> read;
    std::vector<ct_transformer_row> windows;
    for (auto& r : rows) {
      r.again = false;
      const auto& in = static_cast<const prepared_words*>(r.in)->text;
      auto& st = *static_cast<punctuation_state*>(r.st);
      if (!st.under_way()) {
        if (in.words.empty()) {
          r.out = transcript{};
          continue;
        }
        st.begin(in);
      }
      read.push_back(&r);
      windows.push_back(st.row());
    }
    const auto found = parts_->network->run(windows, *lane_);
    for (std::size_t i = 0; i < read.size(); ++i) {
      auto& st = *static_cast<punctuation_state*>(read[i]->st);
      read[i]->again = !st.take(found[i], parts_->settings.marks);
      if (read[i]->again) continue;
      transcript made;
      made.text = st.finish(parts_->settings);
      read[i]->out = std::move(made);
    }
  }

 private:
  std::shared_ptr<const parts> parts_;
  std::unique_ptr<device_lane> lane_;
};

class punctuation_model final : public model {
 public:
  punctuation_model(std::shared_ptr<const parts> p, model_info info, std::vector<mapping_use> mappings)
      : parts_(std::move(p)), info_(std::move(info)), mappings_(std::move(mappings)) {}

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    if (asked.task && *asked.task != task::punctuation_restoration)
      return tl::unexpected(wrong_task(info_, *asked.task));
    auto given = names_of(asked.parameters);
    std::erase(given, "truncate");  // nothing is ever cut
    std::erase(given, "truncation_direction");
    if (!given.empty())
      return fail(error_code::unprocessable,
                  "punctuation-restoration has no parameter '" + std::string(given.front()) + "'");
    const auto* text = in.only<std::string>();
    if (text == nullptr)
      return fail(error_code::unprocessable, "the model takes a text, not " + std::string(kind_of(in)));
    const auto& reader = parts_->reader;
    auto words = split_words(*text, reader.dictionary ? &*reader.dictionary : nullptr);
    if (!words) return tl::unexpected(words.error());
    auto made = std::make_unique<prepared_words>();
    for (const auto& word : *words) made->text.ids.push_back(reader.ids.of(word));
    made->text.words = std::move(*words);
    made->cost = cost_of(made->text.ids.size());
    return made;
  }

  std::unique_ptr<state> open_state(const prepared&) const override {
    return std::make_unique<punctuation_state>(nullptr);
  }
  std::unique_ptr<state> open_increments() const {
    return parts_->settings.streaming ? std::make_unique<punctuation_state>(parts_->account) : nullptr;
  }
  std::uint64_t state_size_bytes() const noexcept override {
    // A window, seldom longer than where its end is forced; an item's own words are its request's.
    constexpr std::uint64_t word_bytes = sizeof(std::string) + 2 * sizeof(std::int32_t);
    return sizeof(punctuation_state) + mark_windows::forced_end_words * word_bytes;
  }
  std::unique_ptr<instance> make_instance() const override { return std::make_unique<punctuation_instance>(parts_); }

  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    std::vector<warm_bucket> buckets;
    for (const auto [items, length] : {warm_bucket{1, 8}, warm_bucket{1, 40}, warm_bucket{max_batch_items, 20}})
      buckets.push_back({std::max(1U, std::min({items, max_batch_items, max_batch_cost / length})), length});
    return buckets;
  }

  prepared_ptr warm_input(const warm_bucket& bucket) const override {
    auto made = std::make_unique<prepared_words>();
    made->text.ids.assign(std::max(1U, bucket.length), 0);
    made->text.words.assign(made->text.ids.size(), "a");
    made->cost = cost_of(made->text.ids.size());
    return made;
  }

  memory_use memory() const override { return {mappings_, parts_->account->live_bytes()}; }

 private:
  // Of one step: a piece, and what is left of the one before.
  static std::uint32_t cost_of(std::size_t words) noexcept {
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(words, 1, 2 * mark_windows::piece_words));
  }

  std::shared_ptr<const parts> parts_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

// ---- loading ----

model_info info_of(const funasr_folder& folder, const opened_ct_transformer& opened, precision what) {
  auto info = speech_info(folder, opened.settings.streaming ? "CTTransformerStreaming" : "CTTransformer",
                          task::punctuation_restoration, opened.plan, what);
  info.hidden_size = opened.settings.encoder.size;
  info.num_hidden_layers = opened.settings.encoder.layers;
  info.num_attention_heads = opened.settings.encoder.heads;
  info.vocab_size = opened.settings.vocab_size;
  info.stateful = true;
  info.notes = opened.notes;
  return info;
}

}  // namespace

std::unique_ptr<state> open_increments(const model& of) {
  const auto* punctuation = dynamic_cast<const punctuation_model*>(&of);
  return punctuation == nullptr ? nullptr : punctuation->open_increments();
}

std::string end_mark(const state& increments) { return static_cast<const punctuation_state&>(increments).end_mark(); }

result<memory_estimate> estimate_ct_transformer(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  const auto opened = open_ct_transformer(folder);
  if (!opened) return tl::unexpected(opened.error());
  return speech_estimate(folder, opened->plan, *what, opened->reader.memory_bytes());
}

result<std::unique_ptr<const model>> load_ct_transformer(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  auto opened = open_ct_transformer(folder);
  if (!opened) return tl::unexpected(opened.error());
  if (is_cancelled(folder.options.cancelled)) return cancelled_error();
  auto info = info_of(folder, *opened, *what);

  auto made = std::make_shared<parts>(std::move(opened->settings), std::move(opened->reader));
  made->charged_bytes = made->reader.memory_bytes();
  made->account->charge(made->charged_bytes);
  const account_scope charged(made->account);
  auto weights = load_speech_weights(folder, opened->plan, opened->source, *what, made->account, info);
  if (!weights) return tl::unexpected(weights.error());
  auto mappings = mappings_of(*weights);
  made->network = make_ct_transformer_network(made->settings, std::move(*weights));
  return std::make_unique<const punctuation_model>(std::move(made), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
