#pragma once
// An utterance that comes as a file (WAV, MP3, FLAC, Ogg): its bytes are kept until the last has come, then heard as
// any recording is (docs/recordings.md): decoded piece by piece beside this thread, as fast as it is heard. Sentences
// alone are told, with their times in the whole sound.

#include <cstdint>
#include <functional>

#include "actors/protocol/recordings.hpp"
#include "http/ws/received_file.hpp"
#include "http/ws/sound_feed.hpp"

namespace troupe::http {

// Where files go, and how large they may be.
struct file_intake {
  actors::recording_service& recordings;  // outlives the connections
  std::uint64_t bytes_max = 0;
};

class file_feed final : public sound_feed {
 public:
  // `request` without the file.
  static std::shared_ptr<file_feed> open(const file_intake& intake, std::shared_ptr<live_socket> socket,
                                         actors::recording_request request, owner& hears);
  ~file_feed() override;

  void take(std::string_view bytes) override;
  void finish() override;
  void drop() override;

 private:
  file_feed(const file_intake& intake, std::shared_ptr<live_socket> socket, actors::recording_request request,
            owner& hears);
  void told(actors::recording_event&& event);
  void told(inference::transcript&& sentence);

  actors::recording_service& recordings_;
  actors::recording_request request_;
  std::shared_ptr<received_file> file_;  // the recording's, once it is whole
  std::function<void()> cancel_;         // the recording, once it is heard
  bool any_ = false;                     // sentences were told
};

}  // namespace troupe::http
