#pragma once
// A job: N items that share a deadline, a cancel flag and one reply stream. The stream is closed exactly
// once, with end() or fail(); a job that is dropped unanswered fails with 503 in its destructor.
//
// What holds:
// J1  The stream is there until the job is closed, and is closed once; nothing is written after that.
// J2  Each item has one last write; the one that completes the last item closes the job.
// J3  An open job's items are counted as in flight, a closed one's are not.
// J4  Where its ends are counted, each item is counted once at most.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "config/error.hpp"
#include "config/registry.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

struct item_timing {
  std::uint32_t prepare_us = 0, queue_us = 0, infer_us = 0;
};

// One write: what one step of one item gave. A one-shot item has one, with last == true.
struct item_result {
  std::uint32_t index = 0;          // of the item within the job
  result<inference::output> value;  // an error fails this item alone
  bool last = true;
  bool truncated = false;
  bool prediction_cache_hit = false;
  bool resident_at_arrival = false;  // the job's; set by job::write
  std::uint32_t batch_items = 0;     // size of the batch that it ran in
  std::uint32_t tokens = 0;          // that the network saw, special ones included; 0: not text
  item_timing timing;
};

// How the items of one model's jobs have ended. What the client got wrong, or gave up, is neither. Any thread.
struct item_ends {
  std::atomic<std::uint64_t> answered{0}, failed{0};
};

// What the job's answer goes to; implemented by http/ (and tests). begin, write*, then end or fail, never
// concurrently, on any thread; must not block. `fail` before any write becomes an error status. One that throws is
// failed (or, while it is being closed, dropped), and nobody else notices.
class reply_stream {
 public:
  virtual ~reply_stream() = default;
  virtual void begin(const inference::model_info&) {}
  virtual void write(item_result&& item) = 0;
  virtual void end() = 0;
  virtual void fail(const error& why) = 0;
};

class job {
 public:
  job(std::string model, std::uint32_t items, config::priority priority, steady_time deadline,
      std::unique_ptr<reply_stream> reply,
      std::shared_ptr<std::atomic<std::uint32_t>> in_flight = nullptr);  // counts its items until it closes
  ~job();                                                                // answers 503 if nobody did
  job(const job&) = delete;
  job& operator=(const job&) = delete;

  const std::string model;
  const std::uint32_t items;
  const config::priority priority;
  const steady_time deadline;
  const steady_time created;
  bool resident_at_arrival = false;  // document 001's cache_hit; set before the job is shared
  std::shared_ptr<item_ends> ends;   // null: not counted; likewise

  void begin(const inference::model_info& info);
  // Delivers one write; the write that completes the last item also ends the stream. Ignored once closed.
  // REQUIRES item.index < items, and no more of an item after its last write.
  void write(item_result&& item);
  // Closes with an error; ignored once closed. True if this call closed it.
  bool fail(const error& why);
  // The client left: nothing more is written, and queues skip the job. True if this call closed it.
  bool cancel();
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;  // of what follows; closed_ is read without it
  std::atomic<bool> closed_{false};
  bool begun_ = false;
  std::uint32_t items_left_;             // without a last write; 0 only when closed
  std::unique_ptr<reply_stream> reply_;  // null once closed
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;

  std::unique_ptr<reply_stream> close_locked();  // REQUIRES mutex_, not closed
  void count_failed(const error& why, std::uint32_t of_items) const noexcept;
  // What the stream throws closes the job, with an error: it was called on a thread of ours.
  template <class F>
  void deliver(F f) noexcept;
};
using job_ptr = std::shared_ptr<job>;

}  // namespace troupe::actors
