#pragma once
// How much live speech the cores can hold: who may open another session, and who has to go when it was too much. Pure;
// no clock, no threads of its own.
//
// A session that is fed in real time costs its step's time once a chunk. What a step costs is learned from the steps
// themselves, as its share of the batch that it ran in: the more sessions, the larger the batches, the cheaper a step.
// The median of the last ones counts, once there are some: the first of a shape is ten times as slow, and neighbours
// come and go.

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

  enum class answer : std::uint8_t { welcome, too_many, too_slow };
  // `active`: sessions that are fed, or were opened just now and will be. The first of them is always welcome.
  answer admit(std::uint32_t sessions, std::uint32_t active) const noexcept;
  // A step has run: its share of its batch's time, and the sound that it took further.
  void ran(std::chrono::microseconds share, std::chrono::microseconds sound) noexcept;
  // Of the cores, that so many sessions need in real time; 0: nothing is known yet.
  double share_of(std::uint32_t active) const noexcept;

  const load_limits& limits() const noexcept { return limits_; }

 private:
  const load_limits limits_;
  const std::uint32_t slots_;
  std::array<double, 63> costs_{};  // of the last steps: seconds of a slot for a second of sound
  std::uint64_t steps_ = 0;         // ever
  double cost_ = 0;                 // their median; 0: not known
};

}  // namespace troupe::actors
