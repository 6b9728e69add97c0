#pragma once
// The one transcript that a model gives for one item: of a sound, or of a text with its marks.

#include <functional>
#include <utility>
#include <variant>

#include "actors/protocol/job.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::actors {

// Calls `done` once, on whichever thread answers.
class transcript_reply final : public reply_stream {
 public:
  using done_function = std::function<void(result<inference::transcript>)>;
  // `none`: what is told where the model answers with something else.
  transcript_reply(done_function done, error none) : done_(std::move(done)), none_(std::move(none)) {}

  void write(item_result&& item) override {
    if (!item.value) return give(tl::unexpected(std::move(item.value.error())));
    if (auto* text = std::get_if<inference::transcript>(&*item.value)) give(std::move(*text));
  }
  void end() override { give(tl::unexpected(none_)); }
  void fail(const error& why) override { give(tl::unexpected(why)); }

 private:
  void give(result<inference::transcript> what) {
    if (done_) std::exchange(done_, nullptr)(std::move(what));
  }

  done_function done_;
  const error none_;
};

}  // namespace troupe::actors
