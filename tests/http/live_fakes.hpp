#pragma once
// A live connection and sessions that exist in memory only: what a protocol makes of messages and events, step by step.

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/sessions.hpp"
#include "http/core/live_socket.hpp"

namespace troupe::http::tests {

struct fake_socket final : live_socket {
  std::vector<std::string> sent;
  std::optional<close_code> closed;
  std::string reason;
  bool paused = false;
  std::deque<std::function<void()>> posts;
  std::uint64_t room_bytes = 1ULL << 30U;  // for what is held
  std::shared_ptr<std::uint64_t> held_bytes = std::make_shared<std::uint64_t>(0);

  void send(std::string message) override {
    EXPECT_FALSE(closed) << message;
    sent.push_back(std::move(message));
  }
  void close(close_code code, std::string why) override {
    if (closed) return;
    closed = code;
    reason = std::move(why);
  }
  void pause() override {
    EXPECT_FALSE(paused);
    paused = true;
  }
  void resume() override {
    EXPECT_TRUE(paused);
    paused = false;
  }
  std::shared_ptr<void> hold(std::uint64_t bytes) override {
    if (*held_bytes + bytes > room_bytes) return nullptr;
    *held_bytes += bytes;
    return {held_bytes.get(), [bytes, all = held_bytes](void*) { *all -= bytes; }};
  }
  void post(std::function<void()> f) override { posts.push_back(std::move(f)); }

  void pump() {
    while (!posts.empty()) {
      const auto f = std::move(posts.front());
      posts.pop_front();
      f();
    }
  }
};

// One session as the adapter sees it. What it was fed stays.
struct fake_session {
  actors::session_request asked;
  actors::session_listener tell;
  std::optional<actors::one_shot<std::unique_ptr<actors::session_handle>>> reply;  // until it is opened
  std::uint32_t rate_hz = 16000;
  std::uint64_t credit = 1 << 30, spent = 0;
  std::vector<float> fed;
  bool finished = false, dropped = false;
  std::weak_ptr<fake_session> self;

  void open();
  void refuse(error why) { (*std::exchange(reply, std::nullopt))(tl::unexpected(std::move(why))); }
  void say(std::string text) {
    tell(actors::session_increment{{.text = std::move(text), .final = false, .begin_s = {}, .end_s = {}}});
  }
  void sentence(std::string text, std::vector<inference::spoken_token> tokens = {}) {
    tell(actors::session_sentence{
        {.text = text, .final = true, .begin_s = {}, .end_s = {}, .tokens = std::move(tokens)}, text});
  }
  void end() { tell(actors::session_ended{1.5}); }
  void fail(error why) { tell(actors::session_failed{std::move(why)}); }
  void give(std::uint64_t samples) {
    credit += samples;
    tell(actors::session_credit{samples});
  }
};

struct fake_handle final : actors::session_handle {
  explicit fake_handle(std::shared_ptr<fake_session> s) : session(std::move(s)) {}
  ~fake_handle() override { session->dropped = true; }
  std::uint32_t rate_hz() const noexcept override { return session->rate_hz; }
  bool uses_hotwords() const noexcept override { return true; }
  std::uint64_t credit_samples() const noexcept override { return session->credit; }
  void feed(std::vector<float> samples) override {
    EXPECT_FALSE(session->finished);
    EXPECT_FALSE(samples.empty());
    session->spent += samples.size();
    EXPECT_LE(session->spent, session->credit);
    session->fed.insert(session->fed.end(), samples.begin(), samples.end());
  }
  void finish() override {
    EXPECT_FALSE(session->finished);
    session->finished = true;
  }
  const std::shared_ptr<fake_session> session;
};

inline void fake_session::open() {
  auto made = std::exchange(reply, std::nullopt);
  (*made)(std::unique_ptr<actors::session_handle>(std::make_unique<fake_handle>(self.lock())));
}

struct fake_sessions final : actors::session_service {
  std::vector<std::shared_ptr<fake_session>> all;
  bool at_once = true;  // opened when they are asked for
  std::uint64_t credit = 1 << 30;

  void open(actors::session_request request, actors::session_listener listener,
            actors::one_shot<std::unique_ptr<actors::session_handle>> reply) override {
    auto s = std::make_shared<fake_session>();
    s->self = s;
    s->asked = std::move(request);
    s->tell = std::move(listener);
    s->reply.emplace(std::move(reply));
    s->credit = credit;
    all.push_back(s);
    if (at_once) s->open();
  }
};

}  // namespace troupe::http::tests
