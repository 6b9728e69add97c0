#pragma once
// Threads that work for microseconds and that others wait for (I/O, actors), and one that must not hold up
// others (a gentle loader), ask the kernel for short turns on a core.

namespace troupe::config {

// The calling thread's turn becomes 0.1 ms, the shortest there is: it may interrupt threads with longer ones as
// soon as it wakes, and is itself interrupted after so long. Without it a thread that wakes on a core where a batch
// or a load runs waits for the next tick, up to 4 ms. Linux from 6.12 on (EEVDF's custom slices, sched_setattr(2));
// elsewhere nothing changes. Needs no privilege, keeps the thread's nice value.
void take_short_turns() noexcept;
// The usual ones again: a thread inherits its creator's.
void take_usual_turns() noexcept;

}  // namespace troupe::config
