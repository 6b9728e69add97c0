#include "inference/encoder_model.hpp"

#include <algorithm>
#include <cassert>

#include "inference/model/text_tools.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {

encoder_parts::~encoder_parts() {
  network.reset();
  if (account) account->release(charged_bytes);
}

namespace {

class encoder_instance final : public instance {
 public:
  explicit encoder_instance(std::shared_ptr<const encoder_parts> parts)
      : parts_(std::move(parts)), lane_(parts_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(parts_->account);
    assert(std::all_of(rows.begin(), rows.end(),
                       [&](const row& r) { return r.in->batch_key == rows.front().in->batch_key; }));
    std::vector<token_row> texts;
    texts.reserve(rows.size());
    for (const auto& r : rows)
      for (const auto& window : in_of(r).rows) texts.push_back({window.tokens.ids, window.tokens.types, window.picks});
    // Rows of one batch key have one task.
    const auto given = parts_->network->run(texts, in_of(rows.front()).head->wants(), *lane_);
    std::size_t next = 0;
    for (auto& r : rows) {
      const auto& in = in_of(r);
      network_answer answer;
      answer.width = given.width;
      for (std::size_t i = 0; i < in.rows.size(); ++i) answer.rows.push_back(given.lines_of(next++));
      r.out = in.head->make(in, answer);
      r.again = false;
    }
  }

 private:
  static const prepared_text& in_of(const row& r) { return *static_cast<const prepared_text*>(r.in); }

  std::shared_ptr<const encoder_parts> parts_;
  std::unique_ptr<device_lane> lane_;
};

// Where each character of a text begins, and where the last one ends. REQUIRES UTF-8.
std::vector<std::size_t> characters_of(std::string_view text) {
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) at.push_back(i);
  at.push_back(text.size());
  return at;
}

class encoder_texts final : public text_tools {
 public:
  explicit encoder_texts(const encoder_parts& parts) : parts_(parts) {}

  result<std::vector<text_token>> tokenize(std::string_view text, const tokenize_options& asked) const override {
    const auto& head = *parts_.heads.front().head;
    task_parameters given;
    given.prompt_name = asked.prompt_name;
    if (auto ok = head.check(given); !ok) return tl::unexpected(ok.error());
    const auto whole = head.text_of(text, given);
    encode_options options;
    options.special_tokens = asked.special_tokens;
    options.details = true;
    const auto made = parts_.reader->tokens().encode(whole, options);
    if (!made) return tl::unexpected(made.error());
    const auto at = characters_of(whole);
    std::vector<text_token> tokens(made->ids.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      auto& t = tokens[i];
      t.id = made->ids[i];
      t.special = made->special[i] != 0;
      const auto place = made->places[i];
      if (t.special || place.end >= at.size()) {
        t.text = parts_.reader->tokens().token_of(t.id).value_or("");
        continue;
      }
      t.text = whole.substr(at[place.begin], at[place.end] - at[place.begin]);
      t.begin = place.begin;
      t.end = place.end;
    }
    return tokens;
  }

  result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    const auto& tokens = parts_.reader->tokens();
    for (const auto id : ids)
      if (!tokens.token_of(id))
        return fail(error_code::unprocessable, "the token id " + std::to_string(id) + " is not in the vocabulary");
    return tokens.decode(ids, skip_special, true);
  }

 private:
  const encoder_parts& parts_;
};

class encoder_model final : public model {
 public:
  encoder_model(std::shared_ptr<const encoder_parts> parts, model_info info, std::vector<mapping_use> mappings)
      : parts_(std::move(parts)), info_(std::move(info)), mappings_(std::move(mappings)), texts_(*parts_) {
    info_.lone = lone_use::shares_cores;  // torch/fork_join.hpp
  }

  const text_tools* texts() const noexcept override { return &texts_; }

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    const auto* chosen = head_for(asked);
    if (chosen == nullptr) return tl::unexpected(wrong_task(info_, *asked.task));
    if (auto ok = chosen->head->check(asked.parameters); !ok) return tl::unexpected(ok.error());
    auto made = prepared_for(*chosen);
    made->parameters = asked.parameters;
    if (auto ok = chosen->head->read(in, *parts_->reader, *made); !ok) return tl::unexpected(ok.error());
    made->cost = 0;
    for (const auto& window : made->rows) {
      made->cost += static_cast<std::uint32_t>(window.tokens.ids.size());
      made->truncated = made->truncated || window.tokens.truncated;
    }
    return made;
  }

  std::unique_ptr<instance> make_instance() const override { return std::make_unique<encoder_instance>(parts_); }

  // A few of the numbers of tokens that products are prepared for (packing.cpp), and all code and scratch memory that
  // there is.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    std::vector<warm_bucket> buckets;
    const auto add = [&](std::uint32_t items, std::uint32_t length) {
      length = std::min(length, info_.max_length);
      items = std::max(1U, std::min({items, max_batch_items, max_batch_cost / std::max(1U, length)}));
      const bool known = std::any_of(buckets.begin(), buckets.end(),
                                     [&](const auto& b) { return b.items == items && b.length == length; });
      if (!known) buckets.push_back({items, length});
    };
    add(1, 16);
    add(1, 64);
    add(8, 32);
    add(max_batch_items, 32);
    add(1, info_.max_length);
    return buckets;
  }

  prepared_ptr warm_input(const warm_bucket& bucket) const override {
    auto made = prepared_for(parts_->heads.front());
    made->cost = std::clamp(bucket.length, 1U, info_.max_length);
    text_window window;
    window.tokens.ids.assign(made->cost, 0);
    window.tokens.places.resize(made->cost);
    window.tokens.special.assign(made->cost, 1);  // nothing of a text: heads that cut answers from it find none
    window.tokens.words.assign(made->cost, -1);
    if (made->head->wants() == network_output::token_logits) window.picks = {0};
    made->rows.push_back(std::move(window));
    return made;
  }

  memory_use memory() const override { return {mappings_, parts_->account->live_bytes()}; }

 private:
  static std::unique_ptr<prepared_text> prepared_for(const task_and_head& asked) {
    auto made = std::make_unique<prepared_text>();
    made->batch_key = static_cast<std::uint64_t>(asked.what);  // rows of one task share a batch
    made->head = asked.head.get();
    return made;
  }

  // Null: it does not do that.
  const task_and_head* head_for(const question& asked) const {
    if (!asked.task) return &parts_->heads.front();
    const auto found =
        std::find_if(parts_->heads.begin(), parts_->heads.end(), [&](const auto& h) { return h.what == *asked.task; });
    return found == parts_->heads.end() ? nullptr : &*found;
  }

  std::shared_ptr<const encoder_parts> parts_;
  model_info info_;
  std::vector<mapping_use> mappings_;
  encoder_texts texts_;
};

}  // namespace

std::unique_ptr<const model> make_encoder_model(std::shared_ptr<const encoder_parts> parts, model_info info,
                                                std::vector<mapping_use> mappings) {
  return std::make_unique<const encoder_model>(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
