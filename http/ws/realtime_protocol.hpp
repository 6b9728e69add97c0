#pragma once
// OpenAI's Realtime API, of transcription sessions: JSON events both ways, sound in base64 (input_audio_buffer.append).
//
//   turn_detection server_vad   each sentence is an item (when it ends is the session's own rule)
//   turn_detection null         what is committed is one
//
// An item: deltas as it is spoken, then it is committed and there, then its whole transcript, which has the marks that
// deltas do not. That speech begins and stops is told where the model says when its words were. What a transcription
// session cannot do is answered with an error event that names it, and the socket stays open; a session that fails for
// what the client asked likewise, and its sound is passed over until a commit, a clear or an update; one that fails
// for another reason closes the socket.

#include <optional>
#include <string>

#include "http/ws/fed_protocol.hpp"
#include "http/ws/realtime_events.hpp"
#include "http/ws/realtime_request.hpp"

namespace troupe::http {

// How a client came.
struct realtime_door {
  std::string id;     // of the connection
  bool beta = false;  // it speaks OpenAI's beta
  // It asked for transcription at the door: the beta has words of its own for the first event then.
  bool transcription = false;
};

class realtime_protocol final : public fed_protocol {
 public:
  realtime_protocol(actors::session_service& sessions, std::string model, std::string peer, realtime_door door);

  void opened(std::shared_ptr<live_socket> socket) override;
  void text(std::string_view message) override;
  void binary(std::string_view message) override;
  // Where sentences are items nobody will commit: what has come is answered.
  void draining() override;

 private:
  struct item {
    std::string id;
    std::string text;        // sentences that have ended
    bool told = false;       // a delta was
    bool started = false;    // that its speech began was told
    bool committed = false;  // by the client
  };

  void feed_told(actors::session_increment&& text) override;
  void feed_told(actors::session_sentence&& text) override;
  void feed_ended() override;
  void feed_failed(const error& why) override;

  void append(const std::string& sound);
  void commit(const std::string& event_id);
  void clear();
  void update(realtime_request&& asked);
  void refuse(const error& why, std::string code = {}, std::string event_id = {});

  item& current(const std::optional<double>& begin_s);  // begun where there is none
  void announce();                                      // the current item is committed
  void complete();                                      // and transcribed
  void drop_item(const realtime_fault& why);
  void end_sound();  // of the utterance that is under way
  double seconds_of(std::uint64_t bytes) const;
  std::int64_t at_ms(double utterance_s) const;  // since the first sound of the socket

  const realtime_door door_;
  realtime_events events_;
  realtime_terms terms_;
  std::optional<item> item_;
  std::string previous_;        // the last item
  std::uint64_t appended_ = 0;  // bytes, of the utterance
  std::uint64_t told_ = 0;      // of them, when the last item was committed
  double before_s_ = 0;         // of sound, in the utterances before
  bool passing_ = false;        // a session has failed: its sound is passed over
};

}  // namespace troupe::http
