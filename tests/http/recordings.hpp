#pragma once
// Recordings for tests of the routes that take them: how a client sends one, and what is heard in it.

#include <string>
#include <utility>
#include <vector>

#include "actors/protocol/recordings.hpp"

namespace troupe::http::tests {

// A form whose boundary is "B".
inline std::string form(const std::vector<std::pair<std::string, std::string>>& fields,
                        const std::string& file = "SOUND") {
  std::string out;
  for (const auto& [name, value] : fields)
    out += "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  out += "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\n\r\n" + file + "\r\n--B--\r\n";
  return out;
}

// Each token half a second long.
inline actors::recording_sentence sentence(std::string text, std::vector<std::string> tokens, double begin_s) {
  actors::recording_sentence out;
  out.text.text = std::move(text);
  for (auto& t : tokens) {
    const auto at = begin_s + 0.5 * static_cast<double>(out.text.tokens.size());
    out.text.tokens.push_back({7, std::move(t), at, at + 0.5});
  }
  out.text.begin_s = begin_s;
  out.text.end_s = begin_s + 0.5 * static_cast<double>(out.text.tokens.size());
  return out;
}

}  // namespace troupe::http::tests
