#pragma once
// One utterance on its way into a live session, whatever the protocol: bytes -> samples -> the session's rate ->
// credit. While there is more than the session takes, the socket is paused: TCP holds the client back. All on the
// connection's thread; what the session tells on others is brought there.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/sessions.hpp"
#include "http/core/live_socket.hpp"
#include "inference/audio/resample.hpp"
#include "inference/audio/sample_formats.hpp"

namespace troupe::http {

class live_feed : public std::enable_shared_from_this<live_feed> {
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

  // One channel. A WAV header at the beginning says better which rate it is.
  struct sound {
    inference::sample_format format = inference::sample_format::s16;
    std::uint32_t rate_hz = 16000;
  };

  // What cannot be opened is told later, too.
  static std::shared_ptr<live_feed> open(actors::session_service& sessions, std::shared_ptr<live_socket> socket,
                                         actors::session_request request, sound of, owner& hears);
  ~live_feed();
  live_feed(const live_feed&) = delete;
  live_feed& operator=(const live_feed&) = delete;

  // The next bytes of the sound, cut anywhere. REQUIRES: finish() was not called.
  void take(std::string_view bytes);
  // Nothing more comes. The socket stays paused until feed_ended().
  void finish();
  // Ends the session at once; nothing is told any more, and the socket is read again.
  void drop();
  bool finishing() const noexcept { return finishing_; }

 private:
  live_feed(std::shared_ptr<live_socket> socket, sound of, owner& hears)
      : socket_(std::move(socket)), owner_(&hears), sound_(of), reader_(of.format) {}
  void opened(result<std::unique_ptr<actors::session_handle>> made);
  void told(actors::session_event&& event);
  void pump();
  result<void> pass_on();
  result<void> convert();
  result<void> resample(std::vector<float>& samples);
  void feed();
  void fail(const error& why);
  void set_paused(bool yes);

  std::shared_ptr<live_socket> socket_;
  owner* owner_;  // null: dropped
  const sound sound_;
  std::unique_ptr<actors::session_handle> session_;  // null: not opened yet
  std::uint64_t credit_ = 0;                         // samples
  std::string bytes_;                                // not converted yet
  std::size_t converted_ = 0;                        // of them
  inference::sample_reader reader_;
  std::optional<inference::resampler> resampler_;  // when the first sample is known, and with it the rate
  std::vector<float> ready_;                       // at the session's rate, not fed yet
  std::size_t fed_ = 0;                            // of them
  bool finishing_ = false, flushed_ = false, finished_ = false, paused_ = false;
};

}  // namespace troupe::http
