#pragma once
// How much live speech the cores can hold: who may open another session, and who has to go when it was too much. Pure;
// no clock, no threads of its own.
//
// A session that is fed in real time costs a step of voice activity a few times a second, where there is a model for
// it, and while somebody speaks the recogniser's steps. What a step costs is learned from the steps themselves, a stage
// apart, as its share of the batch that it ran in: the more sessions, the larger the batches, the cheaper a step. The
// median of the last ones counts, once there are some: the first of a shape is ten times as slow, and neighbours come
// and go.

#include <array>
#include <chrono>
#include <cstdint>

namespace troupe::actors {

struct load_limits {
  std::uint32_t max_sessions = 1024;
  double max_share = 0.85;  // of the cores, that sessions may be expected to need
};

class live_load {
 public:
  explicit live_load(load_limits limits, std::uint32_t slots) : limits_(limits), slots_(slots) {}

  enum class stage : std::uint8_t { listening, recognising };
  // Sessions that are fed, or were opened just now and will be.
  struct fed_sessions {
    std::uint32_t all = 0, speaking = 0;  // speaking: those whose recogniser is fed
  };

  enum class answer : std::uint8_t { welcome, too_many, too_slow };
  // Another one is expected to speak. The first of those that are fed is always welcome.
  answer admit(std::uint32_t sessions, fed_sessions active) const noexcept;
  // A step has run: its share of its batch's time, and the sound that it took further.
  void ran(stage which, std::chrono::microseconds share, std::chrono::microseconds sound) noexcept;
  // Of the cores, that these need in real time; 0: nothing is known yet.
  double share_of(fed_sessions active) const noexcept;

  const load_limits& limits() const noexcept { return limits_; }

 private:
  // Seconds of a slot for a second of sound.
  struct learned {
    std::array<double, 63> last{};
    std::uint64_t steps = 0;  // ever
    double cost = 0;          // the median of the last; 0: not known
    void take(double step) noexcept;
  };

  const load_limits limits_;
  const std::uint32_t slots_;
  learned listening_, recognising_;
};

}  // namespace troupe::actors
