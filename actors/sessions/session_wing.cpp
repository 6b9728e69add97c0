#include "actors/sessions/session_wing.hpp"

#include <utility>

#include "actors/sessions/in_flight.hpp"
#include "actors/sessions/session.hpp"
#include "actors/sessions/transcript_reply.hpp"

namespace troupe::actors {

namespace {

session_limits limits_of(const config::settings& s) {
  session_limits out;
  out.buffer = std::chrono::milliseconds(s.session_buffer_ms);
  out.step_timeout = std::chrono::milliseconds(s.request_timeout_ms);
  out.idle = std::chrono::seconds(s.session_idle_timeout_s);
  out.drain = std::chrono::milliseconds(s.session_drain_ms);
  out.sentence.utterance_s_max = static_cast<double>(s.session_sentence_max_ms) / 1000;
  return out;
}

class handle final : public session_handle {
 public:
  handle(session_actor actor, std::uint32_t rate_hz, bool hotwords, std::uint64_t credit,
         const std::shared_ptr<std::atomic<std::uint32_t>>& in_flight)
      : actor_(std::move(actor)),
        rate_hz_(rate_hz),
        hotwords_(hotwords),
        credit_(credit),
        in_flight_(counted(in_flight)) {}
  ~handle() override { caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown); }
  std::uint32_t rate_hz() const noexcept override { return rate_hz_; }
  bool uses_hotwords() const noexcept override { return hotwords_; }
  std::uint64_t credit_samples() const noexcept override { return credit_; }
  void feed(std::vector<float> samples) override {
    caf::anon_send(actor_, feed_atom::value, std::make_shared<std::vector<float>>(std::move(samples)));
  }
  void finish() override { caf::anon_send(actor_, finish_atom::value); }

 private:
  const session_actor actor_;
  const std::uint32_t rate_hz_;
  const bool hotwords_;
  const std::uint64_t credit_;
  const std::shared_ptr<void> in_flight_;
};

class open_wing final : public session_wing, public session_service {
 public:
  open_wing(caf::actor_system& system, const config::settings& settings, gateway& door, const speech_models& models,
            std::uint32_t slots, std::shared_ptr<std::atomic<std::uint32_t>> in_flight, prometheus::Registry& metrics)
      : system_(system),
        settings_(settings),
        door_(door),
        models_(models),
        in_flight_(std::move(in_flight)),
        board_(std::make_shared<session_board>(load_limits{settings.max_sessions, settings.session_compute_share},
                                               slots, metrics)) {}

  ~open_wing() override { board_->clear({error_code::unavailable, "the server is shutting down", {}, 1}); }

  session_service& service() override { return *this; }

  void open(session_request request, session_listener listener,
            one_shot<std::unique_ptr<session_handle>> reply) override {
    if (request.model.empty()) request.model = models_.live();
    if (request.model.empty())
      return reply(fail(error_code::model_not_found, "no model for live speech is registered",
                        "register one, and name it as speech_model"));
    choose(request);
    auto shared = std::make_shared<opening>(opening{std::move(request), std::move(listener), std::move(reply), {}, {}});
    door_.enter(shared->request.model, one_shot<live_place>([this, shared](result<live_place> place) {
                  if (!place) return shared->reply(tl::unexpected(std::move(place.error())));
                  shared->home = std::move(*place);
                  enter_voice(shared);
                }));
  }

 private:
  struct opening {
    session_request request;
    session_listener listener;
    one_shot<std::unique_ptr<session_handle>> reply;
    live_place home;
    std::optional<live_place> voice;
  };

  // The names of the models that it will have; where none is left beside the recogniser, there is none.
  void choose(session_request& request) const {
    if (request.mode == session_mode::online) {
      request.voice_activity.reset();
      request.second_pass.reset();
      return;
    }
    if (request.punctuation.empty()) request.punctuation = models_.punctuation();
    const auto settle = [](std::optional<std::string>& name, const std::string& servers) {
      if (name && name->empty()) *name = servers;
      if (name && name->empty()) name.reset();
    };
    settle(request.voice_activity, models_.voice_activity());
    settle(request.second_pass, models_.whole());
    if (request.second_pass == request.model) request.second_pass.reset();
  }

  void enter_voice(const std::shared_ptr<opening>& o) {
    if (!o->request.voice_activity) return o->reply(start(*o));
    door_.enter(*o->request.voice_activity, one_shot<live_place>([this, o](result<live_place> place) {
      if (!place) return o->reply(tl::unexpected(std::move(place.error())));
      o->voice = std::move(*place);
      o->reply(start(*o));
    }));
  }

  static result<void> check(const opening& o) {
    if (auto ok = check_task(o.home, inference::task::automatic_speech_recognition); !ok) return ok;
    const auto* live = o.home.home->model->live();
    if (auto feeder = live->open_feeder(o.request.options); !feeder) return tl::unexpected(std::move(feeder.error()));
    if (!o.voice) return {};
    if (auto ok = check_task(*o.voice, inference::task::voice_activity_detection); !ok) return ok;
    const auto rate_hz = o.voice->home->model->live()->rate_hz();
    if (rate_hz == live->rate_hz()) return {};
    return fail(error_code::unprocessable,
                "Model " + o.voice->home->name + " hears " + std::to_string(rate_hz) + " Hz, model " +
                    o.home.home->name + " " + std::to_string(live->rate_hz()),
                "a session needs both at one rate");
  }

  result<std::unique_ptr<session_handle>> start(opening& o) {
    if (auto ok = check(o); !ok) return tl::unexpected(std::move(ok.error()));
    const auto entry = board_->enter(steady_clock::now());
    if (!entry) return tl::unexpected(entry.error());

    const auto home = o.home.home;
    const auto* live = home->model->live();
    auto s = std::make_unique<session_start>();
    s->request = std::move(o.request);
    s->listener = std::move(o.listener);
    s->home = std::move(o.home);
    s->voice = std::move(o.voice);
    s->limits = limits_of(settings_);
    s->board = board_;
    s->entry = *entry;
    if (s->request.second_pass) s->recognise = recogniser(*s->request.second_pass, live->rate_hz());
    if (!s->request.punctuation.empty()) s->punctuate = punctuator(s->request.punctuation);
    auto actor = system_.spawn(session, std::make_shared<std::unique_ptr<session_start>>(std::move(s)));
    board_->set_leave(*entry, [actor](error why) {
      caf::anon_send(actor, stop_atom::value, std::make_shared<error>(std::move(why)));
    });
    const auto credit = settings_.session_buffer_ms * live->rate_hz() / 1000;
    return std::make_unique<handle>(std::move(actor), live->rate_hz(), live->uses_hotwords(), credit, in_flight_);
  }

  // As any client asks.
  cancel_handle ask(const std::string& model, inference::task what, inference::input in,
                    std::shared_ptr<request_context> context, std::function<void(result<inference::transcript>)> done) {
    predict_request request;
    request.model = model;
    request.inputs.push_back(std::move(in));
    request.asked.task = what;
    request.use_prediction_cache = false;
    request.context = std::move(context);
    return door_.predict(std::move(request),
                         std::make_unique<transcript_reply>(
                             std::move(done), error{error_code::internal, "the model answered with no text", {}, {}}));
  }
  decltype(session_start::recognise) recogniser(std::string model, std::uint32_t rate_hz) {
    return [this, model = std::move(model), rate_hz](std::vector<float> sound, auto done) {
      return ask(model, inference::task::automatic_speech_recognition, inference::samples{std::move(sound), rate_hz},
                 nullptr, std::move(done));
    };
  }
  decltype(session_start::punctuate) punctuator(std::string model) {
    return [this, model = std::move(model)](unmarked_sentence one, std::function<void(result<std::string>)> done) {
      // No next sentence brings the mark of the last one.
      const auto ends = one.last ? one.context : nullptr;
      return ask(model, inference::task::punctuation_restoration, std::move(one.text), std::move(one.context),
                 [done = std::move(done), ends](result<inference::transcript> marked) {
                   if (!marked) return done(tl::unexpected(std::move(marked.error())));
                   done(ends ? marked->text + ends->end_mark() : std::move(marked->text));
                 });
    };
  }

  caf::actor_system& system_;
  const config::settings& settings_;
  gateway& door_;
  const speech_models& models_;
  const std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;
  const std::shared_ptr<session_board> board_;
};

}  // namespace

std::unique_ptr<session_wing> session_wing::make(caf::actor_system& system, const config::settings& settings,
                                                 gateway& door, const speech_models& models, std::uint32_t slots,
                                                 std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
                                                 prometheus::Registry& metrics) {
  return std::make_unique<open_wing>(system, settings, door, models, slots, std::move(in_flight), metrics);
}

}  // namespace troupe::actors
