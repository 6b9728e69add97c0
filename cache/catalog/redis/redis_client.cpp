#include "cache/catalog/redis/redis_client.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include <spdlog/spdlog.h>

#include "cache/catalog/redis/outbox.hpp"
#include "cache/catalog/redis/redis_connection.hpp"
#include "cache/catalog/redis/redis_thread.hpp"
#include "cache/catalog/redis/reply_queue.hpp"

namespace troupe::cache {
namespace {

constexpr int rounds_max = 8;

error not_now(std::string why) { return {error_code::unavailable, std::move(why), {}, std::nullopt}; }

class client final : public redis_client, redis_connection::user {
 public:
  client(redis_options options, std::function<void(redis_state)> on_state);
  ~client() override;

  void ask(std::vector<std::string> command, answer then) override;
  void ask_all(std::vector<std::vector<std::string>> commands, answers then) override;
  redis_state state() const override { return state_.load(std::memory_order_acquire); }
  std::string last_error() const override;
  void after(std::chrono::milliseconds delay, std::function<void()> f) override;

 private:
  // Commands on their way from their thread to the loop's.
  struct batch {
    std::vector<waiting_reply> who;
    outbox text;
  };

  void on_ready() override;
  void on_lost(const error& why) override;
  void on_reply(redis_reply reply) override;
  void on_replies_begin() override;
  void on_replies_end() override { collect(); }
  void on_quiet() override;

  void submit(std::span<redis_command> commands, waiting_reply who);
  std::optional<error> refusal(const waiting_reply& who) const;
  void leave(const waiting_reply& who);
  void collect();
  void send_taken();
  void watch_deadlines();
  void answer_all(const error& first, const error& others);
  template <class What>
  static void answer_one(waiting_reply& who, What&& what) {
    redis_thread::call([&] { who.answer(std::forward<What>(what)); });
  }

  const redis_options options_;
  const std::function<void(redis_state)> on_state_;
  std::atomic<redis_state> state_ = redis_state::connecting;
  std::atomic<std::uint32_t> waiting_ = 0;
  std::atomic<std::uint64_t> waiting_bytes_ = 0;

  mutable std::mutex mutex_;
  batch incoming_;
  bool open_ = false;   // asking is possible
  bool awake_ = false;  // the loop will look into `incoming_` without being told
  std::string last_error_;

  redis_thread thread_;
  // The loop's own from here on.
  batch taken_;
  bool replaying_ = false;  // inside on_state_(ready): what is asked here goes to `taken_`, before all others
  reply_queue queue_;
  asio_timer deadline_timer_{thread_.loop()};
  steady_time deadline_timer_at_ = no_deadline;
  redis_connection connection_{thread_.loop(), options_, *this};
};

redis_options checked(redis_options o) {
  o.silence_ms_max = std::max(o.silence_ms_max, 2 * o.timeout_ms);
  return o;
}

client::client(redis_options options, std::function<void(redis_state)> on_state)
    : options_(checked(std::move(options))), on_state_(std::move(on_state)), last_error_("redis: not connected yet") {
  asio::post(thread_.loop(), [this] { connection_.start(); });
  thread_.start();
}

client::~client() {
  const auto why = not_now("redis: the client ends");
  {
    const std::lock_guard held(mutex_);
    open_ = false;
    last_error_ = why.message;
  }
  thread_.stop([&] {
    connection_.stop();
    answer_all(why, why);
  });
}

std::string client::last_error() const {
  const std::lock_guard held(mutex_);
  return last_error_;
}

void client::after(std::chrono::milliseconds delay, std::function<void()> f) {
  auto timer = std::make_shared<asio_timer>(thread_.loop(), delay);
  auto& t = *timer;
  t.async_wait([timer = std::move(timer), f = std::move(f)](const asio_error& e) {
    if (!e) redis_thread::call(f);
  });
}

void client::ask(std::vector<std::string> command, answer then) {
  redis_command text(command);
  waiting_reply who;
  who.then = std::move(then);
  submit({&text, 1}, std::move(who));
}

void client::ask_all(std::vector<std::vector<std::string>> commands, answers then) {
  if (commands.empty()) return then(std::vector<redis_reply>());
  std::vector<redis_command> texts(commands.begin(), commands.end());
  waiting_reply who;
  who.many = std::make_unique<waiting_reply::several>();
  who.many->then = std::move(then);
  who.many->replies.reserve(commands.size());
  submit(texts, std::move(who));
}

void client::submit(std::span<redis_command> commands, waiting_reply who) {
  who.commands = who.replies_left = static_cast<std::uint32_t>(commands.size());
  bool is_one = true;
  for (const auto& c : commands) is_one = is_one && c.size() != 0, who.bytes += c.size();
  if (!is_one)
    return who.answer(error{error_code::bad_request, "redis: a command without words, or over 1 GiB", {}, {}});
  who.deadline = steady_clock::now() + std::chrono::milliseconds(options_.timeout_ms);

  const bool is_first = thread_.is_here() && replaying_;
  std::unique_lock held(mutex_);
  if (auto no = is_first ? std::nullopt : refusal(who)) {
    held.unlock();
    return who.answer(std::move(*no));
  }
  waiting_.fetch_add(who.commands, std::memory_order_relaxed);
  waiting_bytes_.fetch_add(who.bytes, std::memory_order_relaxed);
  auto& to = is_first ? taken_ : incoming_;
  to.who.push_back(std::move(who));
  for (auto& c : commands) to.text.add(std::move(c));
  if (is_first || std::exchange(awake_, true)) return;
  held.unlock();
  asio::post(thread_.loop(), [this] { collect(); });
}

std::optional<error> client::refusal(const waiting_reply& who) const {
  if (!open_) return not_now(last_error_);
  if (waiting_.load(std::memory_order_relaxed) + std::uint64_t{who.commands} > options_.waiting_max)
    return error{error_code::too_many_requests, "redis: too many commands wait for replies", {}, {}};
  if (waiting_bytes_.load(std::memory_order_relaxed) + who.bytes > options_.waiting_bytes_max)
    return error{error_code::too_many_requests, "redis: commands of too many bytes wait for replies", {}, {}};
  return std::nullopt;
}

void client::leave(const waiting_reply& who) {
  waiting_.fetch_sub(who.commands, std::memory_order_relaxed);
  waiting_bytes_.fetch_sub(who.bytes, std::memory_order_relaxed);
}

// Takes what has come meanwhile, until nothing has: then the next one to ask wakes the loop again.
void client::collect() {
  for (int round = 0; round < rounds_max; ++round) {
    send_taken();
    const std::lock_guard held(mutex_);
    if (incoming_.who.empty()) {
      awake_ = false;
      return;
    }
    std::swap(incoming_, taken_);
  }
  send_taken();
  asio::post(thread_.loop(), [this] { collect(); });  // who asks all the time must not keep the loop from reading
}

void client::send_taken() {
  if (taken_.who.empty()) return;
  for (auto& who : taken_.who) queue_.add(std::move(who));
  taken_.who.clear();
  connection_.send(taken_.text);
  watch_deadlines();
}

void client::watch_deadlines() {
  const auto when = queue_.next_deadline();
  if (when >= deadline_timer_at_) return;
  deadline_timer_at_ = when;
  deadline_timer_.expires_at(when);
  deadline_timer_.async_wait([this, when](const asio_error& cancelled) {
    if (cancelled || when != deadline_timer_at_) return;
    deadline_timer_at_ = no_deadline;
    while (auto late = queue_.take_expired(steady_clock::now()))
      answer_one(*late, error{error_code::deadline_exceeded, "redis: no reply in time", {}, {}});
    watch_deadlines();
  });
}

void client::on_ready() {
  connection_.settled();
  spdlog::info("redis: connected to {}", text_of(options_.address));
  {
    const std::lock_guard held(mutex_);
    open_ = true;
    last_error_.clear();
  }
  state_.store(redis_state::ready, std::memory_order_release);
  replaying_ = true;
  redis_thread::call(on_state_, redis_state::ready);
  replaying_ = false;
  collect();
}

void client::on_lost(const error& why) {
  {
    const std::lock_guard held(mutex_);
    open_ = false;
    last_error_ = why.message;
  }
  if (state_.exchange(redis_state::down, std::memory_order_acq_rel) != redis_state::down) {
    spdlog::warn("{}", why.message);
    redis_thread::call(on_state_, redis_state::down);
  }
  answer_all(why, not_now(why.message));
}

// Nobody can ask any more.
void client::answer_all(const error& first, const error& others) {
  const auto* why = &first;
  const auto settle = [&](waiting_reply& who) {
    leave(who);
    answer_one(who, *std::exchange(why, &others));
  };
  while (auto who = queue_.take_first()) settle(*who);
  batch left;
  {
    const std::lock_guard held(mutex_);
    std::swap(left, incoming_);
  }
  for (auto& who : left.who) settle(who);
}

void client::on_reply(redis_reply reply) {
  if (queue_.empty()) return connection_.lose(not_now("redis: a reply that nobody has asked for"));
  auto who = queue_.take(reply);
  if (!who) return;
  leave(*who);
  answer_one(*who, std::move(reply));
}

void client::on_replies_begin() {
  const std::lock_guard held(mutex_);
  awake_ = true;
}

void client::on_quiet() {
  if (!queue_.empty()) return;
  ask({"PING"}, [](const result<redis_reply>&) {});
}

}  // namespace

std::unique_ptr<redis_client> redis_client::make(redis_options options, std::function<void(redis_state)> on_state) {
  return std::make_unique<client>(std::move(options), std::move(on_state));
}

}  // namespace troupe::cache
