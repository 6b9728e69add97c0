#include "actors/sessions/session_wing.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "actors/sessions/session.hpp"

namespace troupe::actors {

namespace {

session_limits limits_of(const config::settings& s) {
  session_limits out;
  out.buffer = std::chrono::milliseconds(s.session_buffer_ms);
  out.step_timeout = std::chrono::milliseconds(s.request_timeout_ms);
  out.idle = std::chrono::seconds(s.session_idle_timeout_s);
  out.drain = std::chrono::milliseconds(s.session_drain_ms);
  return out;
}

// Counted as in flight while it lives: the server's end waits for it, within its grace.
class counted {
 public:
  explicit counted(std::shared_ptr<std::atomic<std::uint32_t>> n) : n_(std::move(n)) { n_->fetch_add(1); }
  ~counted() { n_->fetch_sub(1); }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

 private:
  const std::shared_ptr<std::atomic<std::uint32_t>> n_;
};

class handle final : public session_handle {
 public:
  handle(session_actor actor, std::uint32_t rate_hz, bool hotwords, std::uint64_t credit,
         std::shared_ptr<std::atomic<std::uint32_t>> in_flight)
      : actor_(std::move(actor)),
        rate_hz_(rate_hz),
        hotwords_(hotwords),
        credit_(credit),
        in_flight_(std::move(in_flight)) {}
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
  const counted in_flight_;
};

// The one text that comes back.
class text_reply final : public reply_stream {
 public:
  explicit text_reply(std::function<void(result<std::string>)> done) : done_(std::move(done)) {}
  void write(item_result&& item) override {
    if (!item.value) return give(tl::unexpected(std::move(item.value.error())));
    if (auto* text = std::get_if<inference::transcript>(&*item.value)) text_ += text->text;
  }
  void end() override { give(std::move(text_)); }
  void fail(const error& why) override { give(tl::unexpected(why)); }

 private:
  void give(result<std::string> what) {
    if (done_) std::exchange(done_, nullptr)(std::move(what));
  }
  std::function<void(result<std::string>)> done_;
  std::string text_;
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
    if (request.punctuation.empty()) request.punctuation = models_.punctuation();
    auto model = request.model;
    auto shared = std::make_shared<opening>(opening{std::move(request), std::move(listener), std::move(reply)});
    door_.enter(std::move(model), one_shot<live_place>([this, shared](result<live_place> place) {
                  shared->reply(place
                                    ? start(std::move(shared->request), std::move(shared->listener), std::move(*place))
                                    : tl::unexpected(std::move(place.error())));
                }));
  }

 private:
  struct opening {
    session_request request;
    session_listener listener;
    one_shot<std::unique_ptr<session_handle>> reply;
  };

  result<std::unique_ptr<session_handle>> start(session_request request, session_listener listener, live_place place) {
    const auto* live = place.home->model->live();
    auto feeder = live->open_feeder(request.options);
    if (!feeder) return tl::unexpected(std::move(feeder.error()));
    auto state = live->open_state(request.options);
    if (!state) return tl::unexpected(std::move(state.error()));
    const auto entry = board_->enter(steady_clock::now());
    if (!entry) return tl::unexpected(entry.error());

    auto s = std::make_unique<session_start>();
    const auto home = place.home;
    s->request = std::move(request);
    s->listener = std::move(listener);
    s->home = std::move(place);
    s->feeder = std::move(*feeder);
    s->state = std::move(*state);
    s->limits = limits_of(settings_);
    s->board = board_;
    s->entry = *entry;
    if (!s->request.punctuation.empty())
      s->punctuate = [this, model = s->request.punctuation](std::string text,
                                                            std::function<void(result<std::string>)> done) {
        predict_request ask;
        ask.model = model;
        ask.inputs.emplace_back(std::move(text));
        ask.asked.task = inference::task::punctuation_restoration;
        ask.use_prediction_cache = false;
        door_.predict(std::move(ask), std::make_unique<text_reply>(std::move(done)));
      };
    auto actor = system_.spawn(session, std::make_shared<std::unique_ptr<session_start>>(std::move(s)));
    board_->set_leave(*entry, [actor](error why) {
      caf::anon_send(actor, stop_atom::value, std::make_shared<error>(std::move(why)));
    });
    const auto credit = settings_.session_buffer_ms * live->rate_hz() / 1000;
    return std::make_unique<handle>(std::move(actor), live->rate_hz(), live->uses_hotwords(), credit, in_flight_);
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
