#include "tests/http/edge/live_support.hpp"

namespace troupe::http::testing {

std::string frame_head(std::uint8_t first, std::uint64_t size, bool masked) {
  std::string out(1, static_cast<char>(first));
  const auto mask_bit = static_cast<unsigned>(masked ? 0x80 : 0);
  const auto put = [&](unsigned digits) {
    for (unsigned i = digits; i-- > 0;) out.push_back(static_cast<char>(size >> (8 * i) & 0xFF));
  };
  if (size < 126) {
    out.push_back(static_cast<char>(mask_bit | size));
  } else if (size < 65536) {
    out.push_back(static_cast<char>(mask_bit | 126));
    put(2);
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    put(8);
  }
  if (masked) out += "\x01\x02\x03\x04";
  return out;
}

std::string make_frame(std::uint8_t first, std::string_view payload, bool masked) {
  auto out = frame_head(first, payload.size(), masked);
  const auto at = out.size();
  out.append(payload);
  if (masked) {
    for (std::size_t i = 0; i < payload.size(); ++i) out[at + i] = static_cast<char>(out[at + i] ^ (1 + i % 4));
  }
  return out;
}

std::string close_message(unsigned code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  return make_frame(final_bit | closing, payload.append(reason));
}

std::string upgrade_request(std::string_view path, std::string_view headers) {
  return get(path, std::string("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
                       .append(headers));
}

handler live_echo(std::shared_ptr<notes> noted) {
  return [noted, plain = test_server::echo()](exchange_ptr e) {
    if (e->refused_status() != 0 || e->path() != "/live") return plain(std::move(e));
    if (auto fault = upgrade_fault(*e)) return e->respond(std::move(*fault));
    const auto made =
        e->upgrade(offers_subprotocol(*e, "binary") ? "binary" : "", std::make_shared<noting_protocol>(noted));
    if (!made) e->fail(made.error());
  };
}

}  // namespace troupe::http::testing
