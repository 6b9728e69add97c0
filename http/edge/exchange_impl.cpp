#include "http/edge/exchange_impl.hpp"

#include <cassert>
#include <charconv>

namespace troupe::http::edge {
namespace {

constexpr std::size_t one_piece_bytes = 16 * 1024;  // smaller bodies are copied behind their head
constexpr std::uint64_t charged_from_bytes = 4096;  // smaller bodies are not worth two atomics
constexpr std::size_t stream_cap_credits = 64;      // a job that ignores its credit loses its client

using restinio::response_connection_attr_t;
using restinio::response_output_flags_t;
using restinio::response_parts_attr_t;

response_output_flags_t final_flags(bool keep_alive) {
  return {response_parts_attr_t::final_parts,
          keep_alive ? response_connection_attr_t::connection_keepalive : response_connection_attr_t::connection_close};
}

// On the connection's thread. RESTinio calls `done` exactly once, at once if the connection is closed.
template <class Done>
void write(const restinio::request_handle_t& request, response_output_flags_t flags,
           restinio::writable_items_container_t items, Done done) {
  restinio::write_group_t group{std::move(items)};
  group.after_write_notificator(std::move(done));
  restinio::impl::access_req_connection(*request)->write_response_parts(request->request_id(), flags, std::move(group));
}

struct answer_form {
  bool keep_alive, head_only, http_1_0;
};

answer_form form_of(const restinio::request_handle_t& request, const connection& c, unsigned refused, bool http_1_0) {
  const auto& header = request->header();
  // After an upgrade request RESTinio cannot go on with plain requests.
  const bool upgrade = header.connection() == restinio::http_connection_header_t::upgrade;
  return {
      header.should_keep_alive() && !upgrade && refused == 0 && !c.shared().draining.load(std::memory_order_relaxed),
      header.method() == restinio::http_method_head(), http_1_0};
}

void write_response(const restinio::request_handle_t& request, const std::shared_ptr<connection>& c, response&& r,
                    const std::string& id, unsigned refused, bool http_1_0) {
  const auto form = form_of(request, *c, refused, http_1_0);
  const bool bodiless = r.status == 204 || r.status == 304 || r.status < 200;
  response_head head;
  head.status = r.status;
  head.content_type = r.content_type;
  head.headers = &r.headers;
  head.request_id = id;
  head.framing = bodiless ? body_framing::none : body_framing::length;
  head.content_bytes = r.body.size();
  head.keep_alive = form.keep_alive;
  head.http_1_0 = form.http_1_0;
  const bool with_body = !bodiless && !form.head_only && !r.body.empty();
  const bool one_piece = with_body && r.body.size() <= one_piece_bytes;
  std::string text;
  text.reserve(256 + (one_piece ? r.body.size() : 0));
  append_head(text, head);
  restinio::writable_items_container_t items;
  if (one_piece) text.append(r.body);
  items.reserve(with_body && !one_piece ? 2 : 1);
  items.emplace_back(std::move(text));
  if (with_body && !one_piece) items.emplace_back(std::move(r.body));
  write(request, final_flags(form.keep_alive), std::move(items),
        [raw = c.get()](const asio_error&) { raw->finished(); });
}

}  // namespace

// The chunks of one streamed answer on their way to the connection. Writers append under the mutex, the
// connection's thread takes all that is there: so the order is the lock's, whichever threads write.
class stream_core : public std::enable_shared_from_this<stream_core> {
 public:
  stream_core(std::shared_ptr<exchange_impl> e, std::string head, answer_form form)
      : exchange_(std::move(e)), pending_(std::move(head)), form_(form) {}

  bool write(std::string_view chunk) {
    if (exchange_->connection_->gone()) return false;
    std::unique_lock lock(mutex_);
    if (ended_ || gone_) return false;
    if (chunk.empty() || form_.head_only) return true;
    if (form_.http_1_0) {
      pending_.append(chunk);
    } else {
      char size[20];
      pending_.append(size, std::to_chars(size, size + sizeof size, chunk.size(), 16).ptr);
      pending_.append("\r\n").append(chunk).append("\r\n");
    }
    unflushed_bytes_ += chunk.size();
    pending_bytes_ += chunk.size();
    if (unflushed_bytes_ > stream_cap_credits * exchange_->connection_->shared().stream_credit_bytes + chunk.size())
      gone_ = overrun_ = true;
    return schedule(std::move(lock));
  }

  void end() {
    std::unique_lock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    if (!form_.head_only && !form_.http_1_0) pending_.append("0\r\n\r\n");
    schedule(std::move(lock));
    exchange_->streaming_ = false;
    exchange_->unwatch();
  }

  void begin() { schedule(std::unique_lock(mutex_)); }

  std::size_t unflushed_bytes() const {
    std::lock_guard lock(mutex_);
    return unflushed_bytes_;
  }

  void when_drained(std::function<void()> f) {
    {
      std::lock_guard lock(mutex_);
      if (!drained()) {
        when_drained_ = std::move(f);
        return;
      }
    }
    exchange_->post(std::move(f));
  }

 private:
  bool drained() const {
    return gone_ || unflushed_bytes_ < exchange_->connection_->shared().stream_credit_bytes / 2 ||
           unflushed_bytes_ == 0;
  }

  bool schedule(std::unique_lock<std::mutex> lock) {
    if (scheduled_) return !gone_;
    scheduled_ = true;
    const bool ok = !gone_;
    lock.unlock();
    auto& thread = exchange_->connection_->thread();
    if (thread.here()) {
      flush();
    } else if (!thread.post([self = shared_from_this()] { self->flush(); })) {
      lock.lock();
      scheduled_ = false;
      gone_ = true;
      if (ended_ && !std::exchange(counted_off_, true)) thread.exchange_finished();
      return false;
    }
    return ok;
  }

  void flush() {
    std::unique_lock lock(mutex_);
    scheduled_ = false;
    auto text = std::exchange(pending_, {});
    const auto bytes = std::exchange(pending_bytes_, 0);
    const bool last = ended_ && !std::exchange(last_sent_, ended_);
    const bool overrun = std::exchange(overrun_, false);
    lock.unlock();
    if (overrun) exchange_->connection_->kill("stream_overrun");
    if (text.empty() && !last) return;
    restinio::writable_items_container_t items;
    items.emplace_back(std::move(text));
    const auto flags = last ? final_flags(form_.keep_alive)
                            : response_output_flags_t{response_parts_attr_t::not_final_parts,
                                                      response_connection_attr_t::connection_keepalive};
    edge::write(exchange_->request_, flags, std::move(items),
                [self = shared_from_this(), bytes, last](const asio_error& e) { self->flushed(bytes, last, e); });
  }

  void flushed(std::size_t bytes, bool last, const asio_error& e) {
    std::function<void()> f;
    {
      std::lock_guard lock(mutex_);
      unflushed_bytes_ -= bytes;
      if (e) gone_ = true;
      if (when_drained_ && drained()) f = std::exchange(when_drained_, nullptr);
    }
    if (last) {
      counted_off_ = true;
      exchange_->connection_->finished();
    }
    if (f) f();
  }

  const std::shared_ptr<exchange_impl> exchange_;
  mutable std::mutex mutex_;
  std::string pending_;  // framed, not yet given to RESTinio
  std::size_t pending_bytes_ = 0, unflushed_bytes_ = 0;
  const answer_form form_;
  bool scheduled_ = false, ended_ = false, last_sent_ = false, gone_ = false, overrun_ = false, counted_off_ = false;
  std::function<void()> when_drained_;
};

namespace {

class stream_handle final : public body_stream {
 public:
  explicit stream_handle(std::shared_ptr<stream_core> core) : core_(std::move(core)) {}
  ~stream_handle() override { core_->end(); }
  bool write(std::string chunk) override { return core_->write(chunk); }
  void end() override { core_->end(); }
  std::size_t unflushed_bytes() const override { return core_->unflushed_bytes(); }
  void when_drained(std::function<void()> f) override { core_->when_drained(std::move(f)); }

 private:
  const std::shared_ptr<stream_core> core_;
};

}  // namespace

exchange_impl::exchange_impl(restinio::request_handle_t request, std::shared_ptr<connection> c)
    : request_(std::move(request)), connection_(std::move(c)), body_(connection_->take_body(request_->request_id())) {
  connection_->thread().exchange_begun();
  std::string_view target = request_->header().request_target();
  // A proxy's form: http://host/path
  if (!target.empty() && target.front() != '/')
    if (const auto scheme = target.find("://"); scheme < 8) {
      const auto slash = target.find_first_of("/?", scheme + 3);
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
  const auto mark = target.find('?');
  path_ = target.substr(0, mark);
  if (path_.empty()) path_ = "/";
  if (mark != std::string_view::npos) query_ = target.substr(mark + 1);
  const auto* given = request_->header().try_get_field("X-Request-Id");
  id_ = given && sane_request_id(*given) ? *given : make_request_id();
  refused_ = connection_->refused_status(request_->request_id());
  http_1_0_ = connection_->http_1_0();
  if (body().size() >= charged_from_bytes) {
    charged_bytes_ = body().size();
    connection_->shared().budget.charge(charged_bytes_);
  }
}

exchange_impl::~exchange_impl() {
  unwatch();
  if (charged_bytes_ > 0) connection_->shared().budget.release(charged_bytes_);
  if (!answer_once()) return;
  auto& thread = connection_->thread();
  try {
    auto dropped = exchange::error_answer({error_code::unavailable, "The request was dropped", "try again", 1}, {});
    auto answer = [request = request_, c = connection_, id = id_, refused = refused_, http_1_0 = http_1_0_,
                   r = std::move(dropped)]() mutable {
      write_response(request, c, std::move(r), id, refused, http_1_0);
    };
    if (thread.here())
      answer();
    else if (!thread.post(std::move(answer)))
      thread.exchange_finished();
  } catch (...) {
    // Out of memory: the client sees its connection time out.
  }
}

std::string_view exchange_impl::method() const { return request_->header().method().c_str(); }

std::optional<std::string_view> exchange_impl::header(std::string_view name) const {
  const auto* field = request_->header().try_get_field(name);
  if (!field) return std::nullopt;
  return *field;
}

std::string exchange_impl::client_address() const {
  const auto address = request_->remote_endpoint().address();
  // An IPv4 client of an IPv6 listener is shown as itself.
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

std::string_view exchange_impl::refused_reason() const {
  return refused_ == 0 ? std::string_view() : std::string_view(connection_->refused_reason());
}

// True for the one who is to answer.
bool exchange_impl::answer_once() {
  if (answered_.exchange(true)) return false;
  unwatch();
  return true;
}

void exchange_impl::unwatch() {
  if (!watched_.load(std::memory_order_acquire)) return;
  const auto dropped = connection_->drop_watch(watch_);
}

void exchange_impl::respond(response r) {
  if (!answer_once()) return;
  if (refused_ == 503) {
    bool told = false;
    for (const auto& [name, value] : r.headers) told |= name == "Retry-After";
    if (!told) r.headers.emplace_back("Retry-After", "1");
  }
  auto& thread = connection_->thread();
  if (thread.here()) {
    write_response(request_, connection_, std::move(r), id_, refused_, http_1_0_);
    return;
  }
  if (!thread.post([self = shared_from_this(), r = std::move(r)]() mutable {
        write_response(self->request_, self->connection_, std::move(r), self->id_, self->refused_, self->http_1_0_);
      }))
    thread.exchange_finished();
}

std::shared_ptr<body_stream> exchange_impl::start_stream(unsigned status, std::string content_type,
                                                         header_list headers) {
  const bool streamed = streaming_.exchange(true);  // before answered_: on_disconnect asks for both
  if (answered_.exchange(true)) {
    streaming_ = streamed;
    return nullptr;
  }
  auto form = form_of(request_, *connection_, refused_, http_1_0_);
  if (form.http_1_0) form.keep_alive = false;
  response_head head;
  head.status = status;
  head.content_type = content_type;
  head.headers = &headers;
  head.request_id = id_;
  head.framing = form.http_1_0 ? body_framing::until_close : body_framing::chunked;
  head.keep_alive = form.keep_alive;
  head.http_1_0 = form.http_1_0;
  std::string text;
  append_head(text, head);
  auto core = std::make_shared<stream_core>(shared_from_this(), std::move(text), form);
  core->begin();
  return std::make_shared<stream_handle>(std::move(core));
}

result<void> exchange_impl::upgrade(std::string subprotocol, std::shared_ptr<live_protocol> protocol) {
  if (request_->header().connection() != restinio::http_connection_header_t::upgrade)
    return troupe::fail(error_code::internal, "The request asks for no upgrade");
  if (answered_.exchange(true)) return troupe::fail(error_code::internal, "The request was answered already");
  auto made = connection_->become_live(
      {std::string(header("Sec-WebSocket-Key").value_or("")), std::move(subprotocol), id_}, std::move(protocol));
  answered_ = made.has_value();
  if (!made) return made;
  unwatch();
  connection_->finished();
  return made;
}

void exchange_impl::on_disconnect(std::function<void()> f) {
  if (answered_.load() && !streaming_.load()) return;
  watched_.store(true, std::memory_order_release);
  if (!connection_->set_watch(watch_, f)) f();
}

void exchange_impl::post(std::function<void()> f) {
  // After the server has stopped there is no such thread, and whatever `f` answers goes nowhere.
  if (!connection_->thread().post([f]() mutable { f(); })) f();
}

}  // namespace troupe::http::edge
