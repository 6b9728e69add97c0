#pragma once
// A cached answer: the bytes of its JSON, as they go out. Immutable once shared; any thread.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::cache {

struct cached_value {
  std::string body;
  std::string etag;  // of the body, with its quotes

  explicit cached_value(std::string json);
  // Another form of the body, made when it is first asked for; null: it could not be made. Kept where all of them
  // together are no larger than the body.
  std::shared_ptr<const std::string> encoded(
      std::size_t form, const std::function<std::optional<std::string>(const std::string&)>& make) const;

 private:
  mutable std::mutex mutex_;
  mutable std::array<std::shared_ptr<const std::string>, 3> forms_;
};
using cached_value_ptr = std::shared_ptr<const cached_value>;

// Pages lie in Redis behind a line of ours: the body's digest, and when its time ends (Unix, ms). So a value that was
// cut or is somebody else's is a miss, and a local copy ends with the one that it was made of. The document's own keys
// hold plain JSON.
std::string with_head(const cached_value& value, std::int64_t expires_unix_ms);
struct headed_value {
  cached_value_ptr value;
  std::int64_t expires_unix_ms = 0;
};
std::optional<headed_value> read_headed(std::string_view stored);
// The head alone, of its first head_bytes_max bytes: whether the body is this one, and until when.
inline constexpr std::size_t head_bytes_max = 80;
std::optional<headed_value> read_head(std::string_view begins, const cached_value_ptr& as_known);
// Plain JSON of one object or list; null: it is none.
cached_value_ptr read_plain(std::string_view stored);

}  // namespace troupe::cache
