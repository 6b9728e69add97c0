#include "cache/catalog/redis/redis_connection.hpp"

#include <algorithm>

namespace troupe::cache {

redis_connection::redis_connection(asio::io_context& loop, const redis_options& options, user& u)
    : loop_(loop),
      options_(options),
      user_(u),
      names_(loop, options.resolve),
      timer_(loop),
      pause_ms_(options.retry_min_ms),
      random_(std::random_device()()) {}

void redis_connection::attempt() {
  stage_ = stage::opening;
  ++attempts_;
  after(options_.connect_timeout_ms, &redis_connection::not_in_time);
  const auto& to = options_.address;
  if (!to.unix_path.empty()) return open({asio::local::stream_protocol::endpoint(to.unix_path)});

  const auto port = static_cast<std::uint16_t>(std::stoul(to.port));
  asio_error is_name;
  const auto address = asio::ip::make_address(to.host, is_name);
  if (!is_name) return open({asio::ip::tcp::endpoint(address, port)});
  names_.find(to.host, [this, port](result<std::vector<std::string>> found) {
    if (stage_ != stage::opening || stream_) return;
    if (!found) return lose(about(found.error().message));
    std::vector<asio_endpoint> endpoints;
    for (const auto& text : *found) {
      asio_error bad;
      const auto a = asio::ip::make_address(text, bad);
      if (!bad) endpoints.push_back(asio::ip::tcp::endpoint(a, port));
    }
    // One that swallows what it is sent takes all the time there is: the next attempt begins with the next.
    if (!endpoints.empty())
      std::rotate(endpoints.begin(), endpoints.begin() + (attempts_ - 1) % endpoints.size(), endpoints.end());
    open(std::move(endpoints));
  });
}

void redis_connection::open(std::vector<asio_endpoint> endpoints) {
  if (options_.address.tls && !tls_) {
    auto made = make_redis_tls(options_.ca_file);
    if (!made) return lose(about(made.error().message));
    tls_ = std::move(*made);
  }
  reader_ = std::make_unique<resp_reader>(options_.reply_bytes_max);
  stream_ = std::make_shared<redis_stream>(loop_, static_cast<redis_stream::user&>(*this));
  stream_->open(std::move(endpoints), options_.address.tls ? tls_ : nullptr, options_.address.host);
}

void redis_connection::opened() {
  stage_ = stage::greeting;
  greeting_.clear();
  const auto& to = options_.address;
  const auto say = [&](std::string_view name, const std::vector<std::string>& words) {
    greeting_.push_back(name);
    unsent_.add(redis_command(words));
  };
  if (!to.user.empty())
    say("AUTH", {"AUTH", to.user, to.password});
  else if (!to.password.empty())
    say("AUTH", {"AUTH", to.password});
  if (to.database != 0) say("SELECT", {"SELECT", std::to_string(to.database)});
  say("PING", {"PING"});  // who accepts and loads its data yet, or says nothing, is not ready
  stream_->write(unsent_);
}

void redis_connection::greeted(const redis_reply& reply) {
  const auto name = greeting_.front();
  const auto* no = reply.failed();
  const bool may_not_ping = name == "PING" && no != nullptr && no->text.starts_with("NOPERM");
  if (no != nullptr && !may_not_ping) return lose(about(std::string(name) + ": " + no->text));
  greeting_.erase(greeting_.begin());
  if (!greeting_.empty()) return;
  stage_ = stage::ready;
  heard_ = true;
  watch();
  user_.on_ready();
}

void redis_connection::received(std::string_view bytes) {
  heard_ = true;
  user_.on_replies_begin();
  reader_->feed(bytes);
  redis_reply reply;
  while (stage_ == stage::greeting || stage_ == stage::ready) {
    auto more = reader_->next(reply);
    if (!more) {
      auto why = about(more.error().message);
      why.code = more.error().code;
      lose(why);
      break;
    }
    if (!*more) break;
    if (stage_ == stage::ready)
      user_.on_reply(std::move(reply));
    else
      greeted(reply);
  }
  user_.on_replies_end();
}

void redis_connection::send(outbox& commands) {
  unsent_.take(commands);
  stream_->write(unsent_);
}

void redis_connection::written() { stream_->write(unsent_); }

void redis_connection::broken(std::string why) { lose(about(why)); }

void redis_connection::not_in_time() {
  lose(about("not connected within " + std::to_string(options_.connect_timeout_ms) + " ms"));
}

// Silence counts only when a question has been out for half of the time: what we have slept through ourselves is read
// meanwhile.
void redis_connection::watch() {
  if (heard_) {
    asked_ = false;
  } else if (asked_) {
    return lose(about("no word for " + std::to_string(options_.silence_ms_max) + " ms"));
  } else {
    asked_ = true;
    user_.on_quiet();
  }
  heard_ = false;
  if (stage_ == stage::ready) after(std::max(options_.silence_ms_max / 2, 1u), &redis_connection::watch);
}

void redis_connection::lose(const error& why) {
  if (stage_ == stage::resting || stage_ == stage::stopped) return;
  stop();
  stage_ = stage::resting;
  // Not all clients of a server at once.
  const auto pause = std::uniform_int_distribution<std::uint64_t>(pause_ms_ * 3 / 4, pause_ms_ * 5 / 4)(random_);
  pause_ms_ = std::min<std::uint64_t>(std::max<std::uint64_t>(pause_ms_ * 2, 1), options_.retry_max_ms);
  after(pause, &redis_connection::attempt);
  user_.on_lost(why);
}

void redis_connection::stop() {
  stage_ = stage::stopped;
  names_.forget();
  ++timer_round_;
  timer_.cancel();
  if (stream_) stream_->close();
  stream_ = nullptr;
  unsent_.clear();
}

void redis_connection::after(std::uint64_t ms, void (redis_connection::*then)()) {
  timer_.expires_after(std::chrono::milliseconds(ms));
  timer_.async_wait([this, then, round = ++timer_round_](const asio_error& cancelled) {
    if (!cancelled && round == timer_round_) (this->*then)();
  });
}

error redis_connection::about(std::string_view what) const {
  return {error_code::unavailable, "redis: " + text_of(options_.address) + ": " + std::string(what), {}, std::nullopt};
}

}  // namespace troupe::cache
