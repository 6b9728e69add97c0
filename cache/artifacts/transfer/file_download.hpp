#pragma once
// One file, from its first byte (or from where it was left) to its digest: which requests are made for it, what becomes
// of their answers, when it is tried again. For the loop's thread. `transfers` says when it gets a connection.
//
// What always holds:
//   D1  bytes that are counted as whole came from answers that agree in size and ETag
//   D2  a flight that is stale writes nothing

#include <functional>
#include <memory>
#include <vector>

#include "cache/artifacts/transfer/answer.hpp"
#include "cache/artifacts/transfer/exchange.hpp"
#include "cache/artifacts/transfer/growing_file.hpp"
#include "cache/artifacts/transfer/ranges.hpp"

namespace troupe::cache {

class file_download {
 public:
  // `ended` is called once; it may not destroy this.
  file_download(network& net, hash_thread& hashes, file_transfer what,
                std::function<void(result<transferred_file>)> ended);
  ~file_download();
  file_download(const file_download&) = delete;
  file_download& operator=(const file_download&) = delete;

  void start();
  bool wants_connection(steady_time now) const;
  void connect();
  std::size_t connections() const noexcept;
  bool has_ended() const noexcept { return stage_ == stage::ended; }
  std::uint64_t done_bytes() const noexcept { return plan_.whole(); }

  // Now and then: what there is, is recorded.
  void tick(steady_time now);
  // It ends with this, after what came is hashed and recorded, which takes half a second at most.
  void stop(error why);

 private:
  enum class stage : std::uint8_t { fetching, hashing, closing, ended };
  struct flight;

  bool on_head(flight& f, const http_answer& head);
  bool on_body(flight& f, std::span<const std::byte> bytes);
  void on_end(flight& f, const exchange_end& end);
  void take_all(flight& f, const http_answer& head);
  void after_meaning(const flight& f);
  void after_body(flight& f, const exchange_end& end);

  known_content known() const;
  bool serves_ranges() const;
  void drop_flights(const flight* but);
  void on_hash();
  void check_complete();
  void verify(const std::string& hex);

  void retry(const error& why, std::optional<std::chrono::seconds> wait);
  result<void> restart();
  void start_over(const error& why);
  void give_up(error why);  // what came is not kept
  void close();
  void end(result<transferred_file> with);

  network& net_;
  hash_thread& hashes_;
  const file_transfer what_;
  std::function<void(result<transferred_file>)> ended_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  stage stage_ = stage::fetching;

  std::optional<growing_file> file_;  // once it has started
  std::optional<error> why_;          // it is closing for

  range_plan plan_;
  std::optional<std::uint64_t> size_;
  std::string etag_, direct_url_, served_by_;
  bool direct_proves_ = false;   // direct_url_ is of the origin that `authorize` is for, all the way
  bool answered_ = false;        // an answer of this session was good
  bool ranges_proven_ = false;   // a range was answered by that range
  bool ranges_refused_ = false;  // or not
  bool pieced_ = false;          // of what came before and after a fault
  std::uint64_t resumed_ = 0;

  std::vector<std::unique_ptr<flight>> flights_;
  std::uint32_t failures_ = 0, start_overs_ = 0;
  std::uint64_t progress_mark_ = 0;  // bytes at which failures were last forgotten
  steady_time not_before_{};
  loop::timer closing_ = 0;
};

}  // namespace troupe::cache
