#pragma once
// All HTTP of the artifact store: one thread that runs libcurl's multi handle, one that resolves names, one that
// hashes. Owned by the composition root; thread-safe; what it calls back runs on its threads and must be quick.
// docs/artifacts.md, Transfers, says the rules for addresses, redirects, resuming and retries.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/artifacts/http_client.hpp"
#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct transfer_options {
  std::uint32_t connections_max = 8;           // of files, all together; ranges of large files count
  std::uint32_t connections_per_file_max = 4;  // where the server serves ranges
  std::uint64_t range_bytes = 32ull << 20;     // a file below twice that is fetched in one piece
  std::uint64_t rate_max_bytes_s = 0;          // all together; 0: unlimited
  std::uint32_t retries_max = 5;               // of one request, or of one file without another MiB of it
  std::chrono::milliseconds backoff_min{500}, backoff_max{30000};
  std::chrono::seconds retry_after_max{120};  // a server that asks for more is an error
  std::chrono::milliseconds connect_timeout{10000};
  std::uint64_t low_speed_bytes_s = 1024;           // slower than that ..
  std::chrono::seconds low_speed_time{30};          // .. for so long is a stall
  std::chrono::milliseconds answer_timeout{60000};  // of a small request, whole
  bool allow_private = false;                       // allow_private_downloads
  std::string user_agent = "troupe";
};

// Addresses of a name; blocks; errors are unavailable. Tests inject their own.
using resolver =
    std::function<result<std::vector<std::string>>(const std::string& host)>;  // "93.184.216.34", "2606:..."
resolver system_resolver();

struct file_transfer {
  std::string url;
  authorizer authorize;
  reach may_reach = reach::outside;
  // Written here, in folders that are made. Beside it `to`.state says what of it is whole, for a resume: `to` and its
  // state may not be another file's of the same fetch.
  std::filesystem::path to;
  std::optional<std::uint64_t> size_bytes;
  std::string sha256, sha256_begins, identity;  // as planned_file
  std::uint64_t size_bytes_max = 0;             // 0: unbounded
};

struct transferred_file {
  std::uint64_t size_bytes = 0, resumed_bytes = 0;  // of the whole; kept from before
  std::string sha256, etag, url;                    // of the content; as served; that served it in the end
};

// Counts since the start, for metrics. Read on any thread.
struct transfer_counts {
  std::atomic<std::uint64_t> bytes{0}, retries{0}, stalls{0}, hash_faults{0}, redirects{0}, refused_addresses{0};
  std::atomic<std::uint32_t> active{0};
};

class transfers final : public http_client {
 public:
  transfers(transfer_options options, resolver resolve);
  ~transfers() override;  // what is under way ends with `cancelled`, before this returns

  result<http_answer> ask(const http_request& request, const std::atomic<bool>* cancelled) override;

  // Fetches all of them, several at once, and blocks until all are there, one has failed for good, or `cancelled`. What
  // has come by then stays for a resume, but for what failed its hash or length: that is removed. `progress` (bytes
  // done of the file of that index, never less than before but for a file that starts over) is called at most ten times
  // a second a file. The answer is in the order of `files`. Errors: unavailable (not reached, or the retries are used
  // up), forbidden (401, 403: what to set; an address that may not be reached), model_not_found (404, 410),
  // unprocessable (content that is not what was told: length, hash), cancelled.
  result<std::vector<transferred_file>> fetch(const std::vector<file_transfer>& files,
                                              const std::function<void(std::size_t, std::uint64_t)>& progress,
                                              const std::atomic<bool>* cancelled);

  const transfer_counts& counts() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe::cache
