#pragma once
// The events that clients of /v1/realtime are told, of one connection: each has an id of its own. Pure but for that.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/ws/realtime_terms.hpp"

namespace troupe::http {

class realtime_events {
 public:
  // `id` tells the connection from others. `beta`: in the words of OpenAI's beta.
  realtime_events(std::string id, bool beta) : id_(std::move(id)), beta_(beta) {}

  std::string new_item_id() { return "item_" + id_ + "_" + std::to_string(++items_); }

  // "session.created", ..; `beta`: the session's shape.
  std::string session(std::string_view type, const realtime_terms& terms, bool beta);
  std::string error(const realtime_fault& fault);
  std::string cleared();
  // `previous`: the item before; empty: there is none.
  std::string committed(std::string_view item, std::string_view previous);
  // That the item is there: two events since the beta, one before.
  std::vector<std::string> item(std::string_view item, std::string_view previous);
  std::string speech_started(std::string_view item, std::int64_t at_ms);
  std::string speech_stopped(std::string_view item, std::int64_t at_ms);
  std::string delta(std::string_view item, std::string_view text);
  std::string completed(std::string_view item, std::string_view text, double sound_s);
  std::string failed(std::string_view item, const realtime_fault& fault);

 private:
  json_out& begin(json_out& json, std::string_view type);
  json_out& begin(json_out& json, std::string_view type, std::string_view item);  // of an item's sound

  const std::string id_;
  const bool beta_;
  std::uint64_t events_ = 0, items_ = 0;
};

}  // namespace troupe::http
