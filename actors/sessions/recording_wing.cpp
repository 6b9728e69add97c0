#include "actors/sessions/recording_wing.hpp"

#include <algorithm>
#include <utility>

#include "actors/sessions/in_flight.hpp"
#include "actors/sessions/recording_actor.hpp"
#include "actors/sessions/recording_desk.hpp"
#include "inference/speech/funasr_folder.hpp"

namespace troupe::actors {

namespace {

using std::chrono::milliseconds;

class open_wing final : public recording_wing, public recording_service {
 public:
  open_wing(caf::actor_system& system, const config::settings& settings, gateway& door, session_service& sessions,
            const speech_models& models, std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
            prometheus::Registry& metrics)
      : system_(system),
        settings_(settings),
        door_(door),
        sessions_(sessions),
        models_(models),
        in_flight_(std::move(in_flight)),
        desk_(std::make_shared<recording_desk>(settings.recordings_at_once, settings.max_recordings, metrics)),
        pool_(settings.prepare_threads, settings.max_recordings) {}

  ~open_wing() override { desk_->clear({error_code::unavailable, "the server is shutting down", {}, 1}); }

  recording_service& service() override { return *this; }

  std::string model() const override {
    auto whole = models_.whole();
    return whole.empty() ? models_.live() : whole;
  }
  std::string punctuation() const override { return models_.punctuation(); }
  bool hears_whole(const std::string& model) const override { return models_.hears_whole(model); }

  std::function<void()> transcribe(recording_request asked, recording_listener listener) override {
    const auto refuse = [&](error why) {
      listener(recording_failed{std::move(why)});
      return std::function<void()>([] {});
    };
    if (asked.model.empty()) asked.model = model();
    if (asked.model.empty())
      return refuse({error_code::model_not_found,
                     "no model that hears speech is registered",
                     "register one, and name it as offline_speech_model or speech_model",
                     {}});
    const auto entry = desk_->enter();
    if (!entry) return refuse(entry.error());
    auto start = std::make_shared<recording_start>();
    start->limits = limits_of(asked);
    start->means = means();
    start->asked = std::move(asked);
    start->listener = std::move(listener);
    start->desk = desk_;
    start->entry = *entry;
    start->in_flight = counted(in_flight_);
    const auto actor = system_.spawn(run_recording, std::move(start));
    desk_->set(
        *entry, [actor] { send_turn(actor, [](recording& it) { it.begin(steady_clock::now()); }); },
        [actor](error why) { send_turn(actor, [why = std::move(why)](recording& it) { it.fail(why); }); });
    return [to = caf::actor_cast<caf::weak_actor_ptr>(actor)] {
      if (const auto here = caf::actor_cast<recording_actor>(to)) send_turn(here, [](recording& it) { it.cancel(); });
    };
  }

 private:
  recording_limits limits_of(const recording_request& asked) const {
    recording_limits out;
    out.whole = milliseconds(settings_.max_request_timeout_ms);
    out.stall = std::min(out.whole, milliseconds(asked.timeout_ms.value_or(settings_.request_timeout_ms)));
    out.segments = settings_.recording_segments;
    out.sound.duration_s_max = static_cast<double>(settings_.max_recording_s);
    out.voice.step_timeout = milliseconds(settings_.request_timeout_ms);
    out.voice.drain = milliseconds(settings_.session_drain_ms);
    return out;
  }

  recording_means means() {
    recording_means out;
    out.sessions = &sessions_;
    out.predict = [this](predict_request request, std::unique_ptr<reply_stream> reply) {
      return door_.predict(std::move(request), std::move(reply));
    };
    // A recording has one piece read at a time: bounded by those whose turn it is.
    out.aside = [this](std::function<void()> f) { pool_.submit_admitted(std::move(f)); };
    out.is_fed = [this](const std::string& model) { return door_.is_fed(model); };
    out.rate_hz = [this](const std::string& model) {
      const auto entry = door_.find(model);
      return inference::heard_rate_hz(entry ? entry->registration.load()->path : std::filesystem::path());
    };
    out.punctuation = models_.punctuation();
    out.voice_activity = models_.voice_activity();
    out.enter = [this](std::string model, one_shot<live_place> reply) {
      return door_.enter(std::move(model), std::move(reply));
    };
    out.now = steady_clock::now;
    return out;
  }

  caf::actor_system& system_;
  const config::settings& settings_;
  gateway& door_;
  session_service& sessions_;
  const speech_models& models_;
  const std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;
  const std::shared_ptr<recording_desk> desk_;
  prepare_pool pool_;  // decodes; ends first
};

}  // namespace

std::unique_ptr<recording_wing> recording_wing::make(caf::actor_system& system, const config::settings& settings,
                                                     gateway& door, session_service& sessions,
                                                     const speech_models& models,
                                                     std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
                                                     prometheus::Registry& metrics) {
  return std::make_unique<open_wing>(system, settings, door, sessions, models, std::move(in_flight), metrics);
}

}  // namespace troupe::actors
