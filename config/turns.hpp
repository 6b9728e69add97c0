#pragma once
// How long a thread may keep a core that others wait for. The kernel looks at that only when some thread wakes, and at
// its tick, every 4 ms: a thread that wakes must be allowed to interrupt at once, or it waits for the tick.
// Linux from 6.12 on (EEVDF's custom slices, sched_setattr(2)): who wakes with a shorter turn than the running thread's
// interrupts it. Elsewhere nothing changes. Needs no privilege, keeps the thread's nice value; inherited by threads
// that the thread starts.

namespace troupe::config {

// 0.1 ms, the shortest there is: threads that work for microseconds and that others wait for (I/O, actors).
void take_short_turns() noexcept;
// 100 ms, the longest: loaders and the reclaimer, whom any other thread may interrupt, also with the usual turns (a
// batch, a client on the same machine). A matter of waking only: each one's share of a core is its nice value's.
void take_long_turns() noexcept;
// The kernel's own choice, some milliseconds: batches.
void take_usual_turns() noexcept;

// Work that nobody waits for from one moment to the next (gentle loads, downloads): nice 10, and long turns. Not the
// idle class: starved inside mmap it holds the address space's lock against everybody (docs/experiments.md, b).
void take_background_turns() noexcept;

}  // namespace troupe::config
