#include "http/api/subtitles.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace troupe::http {
namespace {

std::string clock(std::uint64_t ms, char point) {
  char text[40];
  std::snprintf(text, sizeof text, "%02llu:%02llu:%02llu%c%03llu", static_cast<unsigned long long>(ms / 3600000),
                static_cast<unsigned long long>(ms / 60000 % 60), static_cast<unsigned long long>(ms / 1000 % 60),
                point, static_cast<unsigned long long>(ms % 1000));
  return text;
}

std::uint64_t in_ms(double seconds) {
  return seconds > 0 ? static_cast<std::uint64_t>(std::llround(seconds * 1000)) : 0;
}

// A cue is one line, and holds nothing that ends or begins one.
std::string cue_text(std::string_view text, bool escaped) {
  std::string out;
  for (const char c : text) {
    if (c == '\r' || c == '\n')
      out += ' ';
    else if (escaped && c == '&')
      out += "&amp;";
    else if (escaped && c == '<')
      out += "&lt;";
    else if (escaped && c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

template <class Write>
void for_each_cue(std::span<const inference::transcript> sentences, Write write) {
  std::uint64_t before = 0;
  for (const auto& s : sentences) {
    const auto begin = s.begin_s ? in_ms(*s.begin_s) : before;
    const auto end = std::max(begin + 1, s.end_s ? in_ms(*s.end_s) : begin);
    write(begin, end, s.text);
    before = end;
  }
}

}  // namespace

std::string srt_of(std::span<const inference::transcript> sentences) {
  std::string out;
  std::size_t number = 0;
  for_each_cue(sentences, [&](std::uint64_t begin, std::uint64_t end, std::string_view text) {
    if (number > 0) out += '\n';
    out += std::to_string(++number) + "\n" + clock(begin, ',') + " --> " + clock(end, ',') + "\n" +
           cue_text(text, false) + "\n";
  });
  return out;
}

std::string vtt_of(std::span<const inference::transcript> sentences) {
  std::string out = "WEBVTT\n";
  for_each_cue(sentences, [&](std::uint64_t begin, std::uint64_t end, std::string_view text) {
    out += "\n" + clock(begin, '.') + " --> " + clock(end, '.') + "\n" + cue_text(text, true) + "\n";
  });
  return out;
}

}  // namespace troupe::http
