#pragma once
// Clients that ask again once they are answered, against the real model and device actors in virtual time, on slots
// whose batches take fixed + per_item x items. What comes out is a share of what the slots could do.

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "tests/actors/support.hpp"

namespace troupe::actors::testing {

struct loop_options {
  std::uint32_t slots = 2, clients = 32, models = 1;
  double fixed_us = 1800, per_item_us = 1760;  // a 6x384 in fp32 with 32 tokens a text
  double slowdown = 1;                         // of a batch while more than one slot runs
  double noise = 0.03;                         // of a batch's time, standard deviation
  // A client is back so long after its answer; those of one batch one after the other.
  double back_us = 150, back_each_us = 30;
  std::uint32_t cost = 32, max_items = 64, max_cost = 1024;
  std::uint64_t seed = 1;
  std::chrono::milliseconds settling{1500}, measured{3000};
};

struct loop_result {
  double per_s = 0, bare_per_s = 0;
  double batch_items = 0;  // mean
  std::uint32_t instances = 0;
  double share() const { return per_s / bare_per_s; }
};

class closed_loop {
 public:
  explicit closed_loop(const loop_options& o) : o_(o), random_(o.seed) {}

  loop_result run() {
    std::vector<slot_ptr> slots;
    for (std::uint32_t i = 0; i < o_.slots; ++i) {
      slots_.push_back(std::make_shared<timed_slot>(i, *this));
      slots.push_back(slots_.back());
    }
    device_ = time_.system.spawn(device, slots, device_options{}, meter_, std::make_shared<device_gauges>());
    for (std::uint32_t m = 0; m < o_.models; ++m) start_model();
    time_.settle();
    for (std::uint32_t m = 0; m < o_.models; ++m)
      for (std::uint32_t c = 0; c < o_.clients; ++c) at(spread_us(5000), [this, m, c] { ask(m, c); });
    pass(o_.settling);
    const auto answered = answered_, batches = batches_, rows = rows_;
    pass(o_.measured);
    loop_result r;
    const double seconds = std::chrono::duration<double>(o_.measured).count();
    r.per_s = static_cast<double>(answered_ - answered) / seconds;
    r.batch_items =
        static_cast<double>(rows_ - rows) / static_cast<double>(std::max<std::uint64_t>(1, batches_ - batches));
    // A model's clients share the slots; of several models each has its part of them.
    const double most = std::min<double>(o_.max_items, std::max(1u, o_.max_cost / o_.cost));
    const double n = std::clamp(static_cast<double>(o_.clients) * o_.models / o_.slots, 1.0, most);
    r.bare_per_s = o_.slots * n / (batch_us(n) * (o_.slots > 1 ? o_.slowdown : 1)) * 1e6;
    r.instances = models_[0]->instances.load();
    ended_ = true;
    for (auto& m : models_) caf::anon_send_exit(m->actor, caf::exit_reason::kill);
    caf::anon_send_exit(device_, caf::exit_reason::kill);
    time_.settle();
    events_.clear();
    return r;
  }

 private:
  struct timed_slot : fake_slot {
    timed_slot(std::uint32_t i, closed_loop& l) : fake_slot(i), loop(l) {}
    void run(batch_ptr b, finished f) override {
      const auto items = b->items.size();
      ++loop.batches_;
      loop.rows_ += items;
      fake_slot::run(std::move(b), std::move(f));
      ++loop.busy_;
      double us = loop.batch_us(static_cast<double>(items)) * (loop.busy_ > 1 ? loop.o_.slowdown : 1);
      us *= std::max(0.7, 1 + loop.o_.noise * std::normal_distribution<>()(loop.random_));
      loop.at(us, [this, us] {
        --loop.busy_;
        loop.in_batch_ = 0;
        finish(std::chrono::microseconds(std::llround(us)));
      });
    }
    closed_loop& loop;
  };

  struct client_stream : reply_stream {
    client_stream(closed_loop& l, std::uint32_t m, std::uint32_t c) : loop(l), model(m), client(c) {}
    void write(item_result&&) override {}
    void end() override {
      ++loop.answered_;
      if (loop.ended_) return;
      loop.at(loop.o_.back_us + loop.in_batch_++ * loop.o_.back_each_us + loop.spread_us(30),
              [&l = loop, m = model, c = client] { l.ask(m, c); });
    }
    void fail(const error&) override {}
    closed_loop& loop;
    std::uint32_t model, client;
  };

  double batch_us(double items) const { return o_.fixed_us + o_.per_item_us * items; }
  double spread_us(double most) { return std::uniform_real_distribution<>(0, most)(random_); }

  void start_model() {
    auto r = std::make_shared<resident>();
    const auto number = models_.size() + 1;
    r->lease = lease_id{number};
    r->name = "m" + std::to_string(number);
    r->model = std::make_unique<fake_model>();
    r->limits.batch = {o_.max_items, o_.max_cost};
    r->limits.max_instances = o_.slots;
    r->metrics = meter_->for_model(r->name);
    r->counters = std::make_shared<model_entry>(r->name);
    r->actor = time_.system.spawn(model, r, device_, config::priority::medium,
                                  std::make_shared<std::unique_ptr<inference::instance>>(),
                                  std::function<void(std::string)>([](std::string) {}));
    models_.push_back(std::move(r));
  }

  void ask(std::uint32_t m, std::uint32_t c) {
    auto& r = models_[m];
    auto j = std::make_shared<job>(r->name, 1, config::priority::medium, no_deadline,
                                   std::make_unique<client_stream>(*this, m, c));
    auto it = make_item(j, o_.cost);
    r->door.try_enter(1, 100000);
    it->place = std::make_shared<const ticket>(r, 1);
    caf::anon_send(r->actor, enqueue_atom::value, std::make_shared<std::vector<item_ptr>>(1, std::move(it)));
  }

  void at(double in_us, std::function<void()> what) {
    events_.emplace(time_.now() + std::chrono::nanoseconds(std::llround(in_us * 1000)), std::move(what));
  }
  // The actors' own timers are due between events: no step is longer than 20 us.
  void pass(std::chrono::milliseconds span) {
    const auto end = time_.now() + span;
    while (time_.now() < end) {
      const auto next = events_.empty() ? end : std::min(end, events_.begin()->first);
      if (next > time_.now())
        time_.pass(std::min<std::chrono::nanoseconds>(next - time_.now(), std::chrono::microseconds(20)));
      while (!events_.empty() && events_.begin()->first <= time_.now()) {
        auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
      }
      time_.settle();
    }
  }

  const loop_options o_;
  std::mt19937_64 random_;
  virtual_time time_;
  std::shared_ptr<metrics> meter_ = std::make_shared<metrics>();
  device_actor device_;
  std::vector<std::shared_ptr<timed_slot>> slots_;
  std::vector<resident_ptr> models_;
  std::multimap<steady_time, std::function<void()>> events_;
  std::uint64_t answered_ = 0, batches_ = 0, rows_ = 0;
  std::uint32_t busy_ = 0, in_batch_ = 0;
  bool ended_ = false;
};

}  // namespace troupe::actors::testing
