#include "app/logging.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <spdlog/async.h>
#include <spdlog/details/registry.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include "http/core/forwarding_exchange.hpp"
#include "http/json/text.hpp"

namespace troupe::app {
namespace {

constexpr std::size_t queue_lines = 8192;
constexpr auto access_logger_name = "access";
constexpr auto json_pattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%*})";
constexpr auto human_pattern = "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %*";

std::string_view payload_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

void append(spdlog::memory_buf_t& out, std::string_view text) { out.append(text.data(), text.data() + text.size()); }

// `%*` for people: the message on one line.
class human_message final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    append(out, escape_for_terminal(payload_of(message)));
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override { return std::make_unique<human_message>(); }
};

// `%*` in JSON: the message as a member; a line of the access log brings its members itself.
class json_message final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const bool members = std::string_view(message.logger_name.data(), message.logger_name.size()) == access_logger_name;
    if (members) return append(out, payload_of(message));
    append(out, "\"message\":\"");
    append(out, escape_for_json(payload_of(message)));
    append(out, "\"");
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override { return std::make_unique<json_message>(); }
};

std::unique_ptr<spdlog::pattern_formatter> make_formatter(bool json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(json ? spdlog::pattern_time_type::utc
                                                                    : spdlog::pattern_time_type::local);
  if (json) {
    formatter->add_flag<json_message>('*').set_pattern(json_pattern);
  } else {
    formatter->add_flag<human_message>('*').set_pattern(human_pattern);
  }
  return formatter;
}

template <class Escape>
std::string escape(std::string_view text, Escape escape_control) {
  const auto utf8 = http::make_utf8(text);
  std::string out;
  out.reserve(utf8.size() + 8);
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    const auto next = i + 1 < utf8.size() ? static_cast<unsigned char>(utf8[i + 1]) : 0;
    if (c < 0x20 || c == 0x7F) {
      escape_control(out, c);
    } else if (c == 0xC2 && next >= 0x80 && next < 0xA0) {  // C1: some terminals obey these
      escape_control(out, next);
      ++i;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string hexadecimal(const char* prefix, unsigned width, unsigned c) {
  char text[16];
  std::snprintf(text, sizeof text, "%s%0*x", prefix, static_cast<int>(width), c);
  return text;
}

// One request's line, written when it is answered: at once, or when its stream ends.
class logged_exchange final : public http::forwarding_exchange {
 public:
  logged_exchange(http::exchange_ptr inner, std::shared_ptr<spdlog::logger> log, bool json)
      : http::forwarding_exchange(std::move(inner)),
        log_(std::move(log)),
        json_(json),
        started_(steady_clock::now()),
        client_(inner_->client_address()),
        method_(inner_->method()),
        path_(inner_->path()) {}
  ~logged_exchange() override {
    if (!written_.exchange(true)) write(answered_ ? status_.load() : 503u, 0);
  }

  void respond(http::response r) override {
    if (!written_.exchange(true)) write(r.status, r.body.size());
    inner_->respond(std::move(r));
  }
  std::shared_ptr<http::body_stream> start_stream(unsigned status, std::string type,
                                                  http::header_list headers) override {
    status_ = status;
    answered_ = true;
    return inner_->start_stream(status, std::move(type), std::move(headers));
  }

 private:
  // The query is left out: document 001's clients send their texts in it.
  void write(unsigned status, std::size_t bytes) const {
    const auto ms = std::chrono::duration<double, std::milli>(steady_clock::now() - started_).count();
    const auto& id = inner_->request_id();
    if (!json_) {
      log_->info("{} {} {} {} {} B {:.2f} ms {}", client_, method_, path_, status, bytes, ms, id);
      return;
    }
    log_->info(
        R"("message":"request","client":"{}","method":"{}","path":"{}","status":{},"bytes":{},"ms":{:.3f},"request_id":"{}")",
        client_, escape_for_json(method_), escape_for_json(path_), status, bytes, ms, escape_for_json(id));
  }

  const std::shared_ptr<spdlog::logger> log_;
  const bool json_;
  const steady_time started_;
  const std::string client_, method_, path_;
  std::atomic<bool> answered_{false}, written_{false};
  std::atomic<unsigned> status_{200};
};

}  // namespace

bool logs_json(const config::settings& settings) {
  return settings.log_format == "json" || (settings.log_format == "auto" && isatty(STDERR_FILENO) == 0);
}

void start_logging(const config::settings& settings) {
  const bool json = logs_json(settings);
  const auto color = json ? spdlog::color_mode::never : spdlog::color_mode::automatic;
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(color);
  sink->set_formatter(make_formatter(json));
  spdlog::init_thread_pool(queue_lines, 1);
  const auto level = settings.log_level == "warn" ? spdlog::level::warn : spdlog::level::from_str(settings.log_level);
  const auto make = [&](const char* name) {
    auto logger = std::make_shared<spdlog::async_logger>(name, sink, spdlog::thread_pool(),
                                                         spdlog::async_overflow_policy::overrun_oldest);
    logger->flush_on(spdlog::level::warn);
    return logger;
  };
  auto main_log = make("troupe");
  main_log->set_level(level);
  spdlog::set_default_logger(main_log);
  auto access = make(access_logger_name);  // settings.access_log decides, not the level
  access->set_level(spdlog::level::info);
  spdlog::register_logger(access);
}

void start_plain_logging() {
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  sink->set_formatter(make_formatter(false));
  auto log = std::make_shared<spdlog::logger>("plain", std::move(sink));
  log->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(log));
}

void stop_logging() {
  const auto async = spdlog::default_logger();
  const auto pool = spdlog::thread_pool();
  // Threads that a model has hung, and those that end late, may still log: from now on as they go, through a
  // logger without a thread. The former one and its pool stay for good: spdlog's free functions use them without
  // counting, and an asynchronous logger whose pool is gone throws.
  static auto& former = *new std::vector<std::pair<std::shared_ptr<spdlog::logger>, decltype(spdlog::thread_pool())>>;
  former.emplace_back(async, pool);
  auto direct = std::make_shared<spdlog::logger>("direct", async->sinks().begin(), async->sinks().end());
  direct->set_level(async->level());
  spdlog::set_default_logger(std::move(direct));
  if (!pool) return;
  // The flush comes after all that waits: when the queue is empty, everything before it has been written.
  async->flush();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (pool->queue_size() > 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void print_line(const config::settings& settings, std::string_view text) {
  std::string line;
  if (logs_json(settings)) {
    auto formatter = make_formatter(true);
    spdlog::memory_buf_t out;
    formatter->format(spdlog::details::log_msg("troupe", spdlog::level::info, {text.data(), text.size()}), out);
    line.assign(out.data(), out.size());
  } else {
    line = escape_for_terminal(text) + '\n';
  }
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

std::string escape_for_terminal(std::string_view text) {
  return escape(text, [](std::string& out, unsigned c) {
    out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : hexadecimal("\\x", 2, c);
  });
}

std::string escape_for_json(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return escape(quoted, [](std::string& out, unsigned c) { out += hexadecimal("\\u", 4, c); });
}

http::handler with_access_log(const config::settings& settings, http::handler inner) {
  if (!settings.access_log) return inner;
  auto log = spdlog::get(access_logger_name);
  if (!log) return inner;
  return [log, json = logs_json(settings), inner = std::move(inner)](http::exchange_ptr request) {
    inner(std::make_shared<logged_exchange>(std::move(request), log, json));
  };
}

}  // namespace troupe::app
