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

// Pages lie in Redis behind a line of ours with the body's digest, so that a value that was cut or is somebody else's
// is a miss. No time stands there: it would be the writer's clock's. The document's own keys hold plain JSON.
std::string with_head(const cached_value& value);
// Null: it is none.
cached_value_ptr read_headed(std::string_view stored);
// Of the first head_bytes_max bytes of what is stored: whether the body is this one.
inline constexpr std::size_t head_bytes_max = 80;
bool is_head_of(std::string_view begins, const cached_value& known);
// Plain JSON of one object or list; null: it is none.
cached_value_ptr read_plain(std::string_view stored);

}  // namespace troupe::cache
