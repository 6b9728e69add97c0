#pragma once
// One utterance on its way into a live session, whatever the protocol: bytes -> samples -> the session's rate ->
// credit. While there is more than the session takes, the socket is paused: TCP holds the client back.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/sessions.hpp"
#include "http/ws/sound_feed.hpp"
#include "inference/audio/resample.hpp"
#include "inference/audio/sample_formats.hpp"

namespace troupe::http {

class live_feed final : public sound_feed {
 public:
  // One channel. A WAV header at the beginning says better which rate it is.
  struct sound {
    inference::sample_format format = inference::sample_format::s16;
    std::uint32_t rate_hz = 16000;
  };

  // What cannot be opened is told later, too.
  static std::shared_ptr<live_feed> open(actors::session_service& sessions, std::shared_ptr<live_socket> socket,
                                         actors::session_request request, sound of, owner& hears);
  ~live_feed() override;

  void take(std::string_view bytes) override;
  void finish() override;
  void drop() override;

 private:
  live_feed(std::shared_ptr<live_socket> socket, sound of, owner& hears)
      : sound_feed(std::move(socket), hears), sound_(of), reader_(of.format) {}
  void opened(result<std::unique_ptr<actors::session_handle>> made);
  void told(actors::session_event&& event);
  void pump();
  result<void> pass_on();
  result<void> convert();
  result<void> resample(std::vector<float>& samples);
  void feed();

  const sound sound_;
  std::unique_ptr<actors::session_handle> session_;  // null: not opened yet
  std::uint64_t credit_ = 0;                         // samples
  std::string bytes_;                                // not converted yet
  std::size_t converted_ = 0;                        // of them
  inference::sample_reader reader_;
  std::optional<inference::resampler> resampler_;  // when the first sample is known, and with it the rate
  std::vector<float> ready_;                       // at the session's rate, not fed yet
  std::size_t fed_ = 0;                            // of them
  bool flushed_ = false, finished_ = false;
};

}  // namespace troupe::http
