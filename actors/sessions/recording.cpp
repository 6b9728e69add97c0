#include "actors/sessions/recording.hpp"

#include <cassert>
#include <utility>

#include "actors/protocol/foreign_exception.hpp"
#include "actors/sessions/recording_fed.hpp"
#include "actors/sessions/recording_whole.hpp"
#include "inference/speech/spoken_sentences.hpp"

namespace troupe::actors {

namespace {

constexpr std::uint32_t usual_rate_hz = 16000;
constexpr double piece_s = 5;

}  // namespace

struct recording::source {
  std::shared_ptr<const void> holds;
  std::span<const std::byte> file;
  std::optional<inference::sound_decoder> decoder;
  std::uint32_t rate_hz = 0;  // that it gives
};

struct recording::piece {
  inference::sound_info sound;
  std::vector<float> samples;
  bool last = false;
  std::optional<error> problem;
};

recording::recording(recording_request asked, recording_listener listener, recording_means means,
                     recording_limits limits, steady_time now)
    : asked_(std::move(asked)),
      listener_(std::move(listener)),
      means_(std::move(means)),
      limits_(limits),
      arrived_(now),
      source_(std::make_shared<source>(source{asked_.holds, asked_.file, std::nullopt, 0})) {}

recording::~recording() = default;

double recording::heard_s() const noexcept {
  return static_cast<double>(samples_) / (rate_hz_ == 0 ? usual_rate_hz : rate_hz_);
}

void recording::begin(steady_time now) {
  if (over_) return;
  progressed_ = now;
  // The file first: no model is loaded for what is no sound.
  read(usual_rate_hz, 0);
}

void recording::tick(steady_time now) {
  if (over_) return;
  if (std::exchange(moved_, false)) progressed_ = now;
  if (now - arrived_ > limits_.whole)
    return fail({error_code::deadline_exceeded,
                 "the recording was not heard in time",
                 "send a shorter one, or raise max_request_timeout_ms",
                 {}});
  if (progressed_ && now - *progressed_ > limits_.stall) {
    if (const auto* refusal = ear_ ? ear_->refusal() : nullptr) return fail(*refusal);
    return fail({error_code::deadline_exceeded,
                 "nothing of the recording was heard for too long",
                 "send a larger timeout, or raise request_timeout_ms",
                 {}});
  }
  if (ear_) ear_->tick();
}

// Opens the file at that rate where it is not, and decodes about so much of it.
void recording::read(std::uint32_t rate_hz, std::size_t samples) {
  assert(!reading_ && "R1");
  reading_ = true;
  means_.aside([this, post = means_.post, from = source_, rate_hz, samples, limits = limits_.sound] {
    auto got = std::make_shared<piece>();
    try {
      if (!from->decoder || from->rate_hz != rate_hz) {
        auto opened = inference::sound_decoder::open(from->file, rate_hz, limits);
        if (!opened)
          got->problem = std::move(opened.error());
        else
          from->decoder.emplace(std::move(*opened));
        from->rate_hz = rate_hz;
      }
      if (!got->problem) got->sound = from->decoder->info();
      while (!got->problem && !got->last && got->samples.size() < samples) {
        const auto more = from->decoder->next(got->samples);
        if (!more)
          got->problem = more.error();
        else
          got->last = !*more;
      }
    } catch (...) {
      got->problem = caught_error(error_code::internal, "the file could not be decoded");
    }
    post([this, got] { was_read(*got); });
  });
}

void recording::was_read(piece& got) {
  reading_ = false;
  if (over_) return;
  if (got.problem) return fail(*got.problem);
  moved_ = true;
  if (!ear_) {
    begun_.sound = got.sound;
    return start_ear();
  }
  if (!got.samples.empty() || got.last) {
    samples_ += got.samples.size();
    read_all_ = got.last;
    ear_->take(std::move(got.samples), got.last);
  }
  pump();
}

void recording::start_ear() {
  begun_.model = asked_.model;
  recording_ear::owner& me = *this;
  if (means_.is_fed(asked_.model))
    ear_ = std::make_unique<recording_fed>(asked_, asked_.model, means_, me);
  else
    ear_ = std::make_unique<recording_whole>(
        asked_, asked_.model, means_,
        whole_limits{limits_.segments, static_cast<std::uint64_t>(limits_.whole.count()), limits_.voice}, me);
  ear_->open();
}

void recording::ear_ready(std::uint32_t rate_hz, bool uses_hotwords, bool punctuates) {
  if (over_) return;
  moved_ = true;
  rate_hz_ = rate_hz;
  begun_.uses_hotwords = uses_hotwords;
  begun_.punctuates = punctuates;
  if (!std::exchange(told_begun_, true)) listener_(begun_);
  pump();
}

void recording::pump() {
  if (over_ || reading_ || read_all_ || rate_hz_ == 0 || !ear_->hungry()) return;
  read(rate_hz_, static_cast<std::size_t>(piece_s * rate_hz_));
}

void recording::ear_heard(inference::transcript&& sentence) {
  if (over_) return;
  moved_ = true;
  for (auto& one : inference::split_sentences(std::move(sentence))) listener_(recording_sentence{std::move(one)});
}

void recording::ear_progressed() {
  moved_ = true;
  pump();
}

void recording::ear_ended() {
  if (over_ || !read_all_) return;
  listener_(recording_ended{heard_s()});
  end();
}

void recording::fail(const error& why) {
  if (over_) return;
  failed_ = true;
  listener_(recording_failed{why});
  end();
}

void recording::cancel() {
  if (!over_) end();
}

// The ear stays until its own call is through: it may be the one who said so.
void recording::end() {
  over_ = true;
  listener_ = nullptr;  // R2
}

}  // namespace troupe::actors
