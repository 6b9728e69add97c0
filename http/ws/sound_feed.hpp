#pragma once
// One utterance on its way to those who hear it: live (live_feed.hpp), or as a file (file_feed.hpp). All on the
// connection's thread; what is told on others is brought there.

#include <memory>
#include <string_view>
#include <utility>

#include "actors/protocol/sessions.hpp"
#include "http/core/live_socket.hpp"

namespace troupe::http {

class sound_feed : public std::enable_shared_from_this<sound_feed> {
 public:
  // Who hears of it. Outlives the feed, or calls drop(). May drop the feed in any of the calls.
  class owner {
   public:
    virtual ~owner() = default;
    virtual void feed_opened() {}
    // All bytes that were given are with the session, and the socket is read again; perhaps more than once.
    virtual void feed_taken() {}
    virtual void feed_told(actors::session_increment&& text) = 0;
    virtual void feed_told(actors::session_sentence&& text) = 0;
    virtual void feed_ended() = 0;                   // all that was given is answered
    virtual void feed_failed(const error& why) = 0;  // nothing comes after it
  };

  virtual ~sound_feed() = default;
  sound_feed(const sound_feed&) = delete;
  sound_feed& operator=(const sound_feed&) = delete;

  // The next bytes of the sound, cut anywhere. REQUIRES: finish() was not called.
  virtual void take(std::string_view bytes) = 0;
  // Nothing more comes. The socket stays paused until feed_ended().
  virtual void finish() = 0;
  // Ends it at once; nothing is told any more, and the socket is read again.
  virtual void drop() = 0;
  bool finishing() const noexcept { return finishing_; }

 protected:
  sound_feed(std::shared_ptr<live_socket> socket, owner& hears) : socket_(std::move(socket)), owner_(&hears) {}

  // Gives what it is called with to the connection's thread, with the feed while that is there. Keeps neither the feed
  // nor the connection.
  template <class Feed>
  auto to_connection() {
    return [feed = std::weak_ptr(std::static_pointer_cast<Feed>(shared_from_this())),
            socket = std::weak_ptr(socket_)](auto run) {
      const auto s = socket.lock();
      if (!s) return;
      s->post([feed, run = std::move(run)]() mutable {
        if (const auto f = feed.lock()) run(*f);
      });
    };
  }
  void set_paused(bool yes) {
    if (std::exchange(paused_, yes) == yes) return;
    yes ? socket_->pause() : socket_->resume();
  }
  void fail(const error& why) {
    const auto self = shared_from_this();
    owner_->feed_failed(why);
  }

  std::shared_ptr<live_socket> socket_;
  owner* owner_;  // null: dropped
  bool finishing_ = false;

 private:
  bool paused_ = false;
};

}  // namespace troupe::http
