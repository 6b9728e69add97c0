// Ordinary requests: headers, keep-alive, pipelining, HTTP/1.0, several listeners, start and stop.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <regex>
#include <thread>

#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {
namespace {

TEST(edge_requests, answer_and_its_headers) {
  test_server s;
  raw_client c(s.port());
  c.send(get("/a%2F..%2Fb?x=1&y=%20"));
  auto a = c.receive();
  EXPECT_EQ(a.status, 200u);
  EXPECT_EQ(a.body, "GET /a%2F..%2Fb x=1&y=%20 0");
  EXPECT_EQ(a.headers["server"], "troupe");
  EXPECT_EQ(a.headers["content-type"], "text/plain");
  EXPECT_TRUE(std::regex_match(a.headers["date"], std::regex("\\w{3}, \\d\\d \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT")));
  EXPECT_TRUE(std::regex_match(a.headers["x-request-id"], std::regex("[0-9a-f]{16}")));
  EXPECT_EQ(a.headers.count("connection"), 0u);
}

TEST(edge_requests, request_ids) {
  test_server s;
  raw_client c(s.port());
  c.send(get("/", "X-Request-Id: my-id_1\r\n"));
  EXPECT_EQ(c.receive().headers["x-request-id"], "my-id_1");
  for (const auto& bad : {std::string(129, 'x'), std::string("a b"), std::string("\xc3\xa4")}) {
    c.send(get("/", "X-Request-Id: " + bad + "\r\n"));
    EXPECT_EQ(c.receive().headers["x-request-id"].size(), 16u);
  }
  c.send(get("/"));
  const auto first = c.receive().headers["x-request-id"];
  c.send(get("/"));
  EXPECT_NE(c.receive().headers["x-request-id"], first);
}

TEST(edge_requests, head_has_no_body) {
  test_server s;
  raw_client c(s.port());
  c.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(c.receive(true).headers["content-length"], "10");
  c.send(get("/after"));
  EXPECT_EQ(c.receive().body, "GET /after  0");
}

TEST(edge_requests, statuses_without_body_and_header_hygiene) {
  test_server s({}, [](exchange_ptr e) {
    response r;
    r.status = e->path() == "/204" ? 204 : 200;
    r.headers = {{"X-Evil", "a\r\nSet-Cookie: b"}, {"Content-Length", "999"}, {"X-Good", "yes"}};
    r.body = "body";
    e->respond(std::move(r));
  });
  raw_client c(s.port());
  c.send(get("/204") + get("/200"));
  auto a = c.receive();
  EXPECT_EQ(a.status, 204u);
  EXPECT_EQ(a.headers.count("content-length"), 0u);
  a = c.receive();
  EXPECT_EQ(a.status, 200u);
  EXPECT_EQ(a.body, "body");
  EXPECT_EQ(a.headers["x-evil"], "a  Set-Cookie: b");
  EXPECT_EQ(a.headers["x-good"], "yes");
  EXPECT_EQ(a.headers.count("set-cookie"), 0u);
}

TEST(edge_requests, http_1_0) {
  test_server s;
  {
    raw_client c(s.port());
    c.send("GET /old HTTP/1.0\r\n\r\n");
    EXPECT_EQ(c.receive().headers["connection"], "close");
    EXPECT_TRUE(c.closed());
  }
  raw_client c(s.port());
  c.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(c.receive().headers["connection"], "keep-alive");
  c.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(c.receive().body, "GET /old  0");
}

TEST(edge_requests, connection_close_is_honoured) {
  test_server s;
  raw_client c(s.port());
  c.send(get("/", "Connection: close\r\n"));
  EXPECT_EQ(c.receive().headers["connection"], "close");
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset_seen());
}

TEST(edge_requests, bodies_of_all_sizes_by_length_and_in_chunks) {
  test_server s;
  raw_client c(s.port());
  for (const std::size_t n : {0, 1, 4000, 4096, 5000, 65536, 300000, 1 << 20}) {
    const std::string body(n, 'b');
    c.send(post("/p", body));
    EXPECT_EQ(c.receive().body, "POST /p  " + std::to_string(n));
    c.send("POST /q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (std::size_t at = 0; at < n;) {
      const auto size = std::min<std::size_t>(n - at, 1 + at);
      char line[20];
      std::snprintf(line, sizeof line, "%zx\r\n", size);
      c.send(line + body.substr(at, size) + "\r\n");
      at += size;
    }
    c.send("0\r\n\r\n");
    EXPECT_EQ(c.receive().body, "POST /q  " + std::to_string(n));
  }
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_body_bytes") == 0; }));
}

TEST(edge_requests, body_arrives_unharmed) {
  std::string sent(700000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 2654435761u >> 13);
  test_server s({}, [&](exchange_ptr e) { e->respond(text_response(e->body() == sent ? "same" : "different")); });
  raw_client c(s.port());
  c.send(post("/", sent));
  EXPECT_EQ(c.receive().body, "same");
}

TEST(edge_requests, pipelined_requests_are_answered_in_order) {
  std::mutex mutex;
  std::vector<exchange_ptr> held;
  test_server s({}, [&](exchange_ptr e) {
    std::lock_guard lock(mutex);
    held.push_back(std::move(e));
  });
  raw_client c(s.port());
  std::string all;
  for (int i = 0; i < 10; ++i) all += get("/" + std::to_string(i));
  c.send(all);
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(mutex);
    return held.size() == 10;
  }));
  std::thread([&] {  // the last one first, from another thread
    while (!held.empty()) {
      auto e = std::move(held.back());
      held.pop_back();
      e->respond(text_response(std::string(e->path())));
    }
  })
      .join();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(c.receive().body, "/" + std::to_string(i));
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
}

TEST(edge_requests, more_pipelined_than_max_pipelined_requests) {
  test_server s([](auto& settings) { settings.max_pipelined_requests = 4; });
  raw_client c(s.port());
  std::string all;
  for (int i = 0; i < 500; ++i)
    all += i % 3 == 0 ? post("/" + std::to_string(i), std::string(200, 'x')) : get("/" + std::to_string(i));
  std::thread sender([&] { c.send(all); });
  for (int i = 0; i < 500; ++i) {
    const auto a = c.receive();
    const auto sent = i % 3 == 0 ? "POST /" + std::to_string(i) + "  200" : "GET /" + std::to_string(i) + "  0";
    EXPECT_EQ(a.body, sent);
    if (a.body != sent) break;
  }
  sender.join();
}

TEST(edge_requests, a_refused_request_amid_pipelined_ones_keeps_its_place) {
  std::promise<exchange_ptr> first;
  test_server s({}, [&](exchange_ptr e) {
    if (answer_refused(e)) return;
    if (e->path() == "/slow")
      first.set_value(std::move(e));
    else
      e->respond(text_response(std::string(e->path())));
  });
  raw_client c(s.port());
  c.send(get("/slow") + get("/second") + get("/" + std::string(40000, 'u')) + get("/never"));
  auto slow = first.get_future().get();
  EXPECT_FALSE(c.readable_now());
  slow->respond(text_response("slow"));
  EXPECT_EQ(c.receive().body, "slow");
  EXPECT_EQ(c.receive().body, "/second");
  const auto refused = c.receive();
  EXPECT_EQ(refused.status, 414u);
  EXPECT_EQ(refused.headers.at("connection"), "close");
  EXPECT_EQ(c.receive().status, 0u);
  EXPECT_FALSE(c.reset_seen());
}

TEST(edge_requests, a_refused_body_that_never_ends_amid_pipelined_ones) {
  holder h;
  test_server s({}, h.take());
  for (int round = 0; round < 12; ++round) {
    raw_client c(s.port());
    c.send(get("/slow") + "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n");
    auto slow = h.next();
    std::atomic<bool> flows{false};
    std::thread sender([&] {
      const std::string piece(64 * 1024, 'b');
      while (c.send(piece)) flows = true;  // until the server has had enough
    });
    EXPECT_TRUE(eventually([&] { return flows.load(); }));
    slow->respond(text_response("slow"));
    EXPECT_EQ(c.receive().body, "slow");
    EXPECT_EQ(c.receive().status, 413u);
    sender.join();
  }
  raw_client after(s.port());
  after.send(get("/after"));
  h.next()->respond(text_response("after"));
  EXPECT_EQ(after.receive().body, "after");
}

TEST(edge_requests, absolute_form_and_asterisk) {
  test_server s;
  raw_client c(s.port());
  c.send(get("http://example.com/a/b?q=1") + get("http://example.com") + "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(c.receive().body, "GET /a/b q=1 0");
  EXPECT_EQ(c.receive().body, "GET /  0");
  EXPECT_EQ(c.receive().body, "OPTIONS *  0");
}

TEST(edge_requests, traversal_passes_untouched) {
  test_server s;
  raw_client c(s.port());
  for (const std::string path :
       {"/models/..%2f..%2fetc%2fpasswd", "/../../etc/passwd", "/%2e%2e/%00", "//x//", "/a;b=c"}) {
    c.send(get(path));
    EXPECT_EQ(c.receive().body, "GET " + path + "  0");
  }
}

TEST(edge_requests, dropped_unanswered_is_503_and_a_second_answer_is_ignored) {
  test_server s({}, [](exchange_ptr e) {
    if (e->path() == "/throw") throw std::runtime_error("a handler's");
    if (e->path() == "/worded") e->word_errors([](const auto&...) { return text_response("oops", 503); });
    if (e->path() != "/twice") return;
    e->respond(text_response("first"));
    e->respond(text_response("second"));
    EXPECT_EQ(e->start_stream(200, "text/plain", {}), nullptr);
  });
  raw_client c(s.port());
  c.send(get("/dropped") + get("/twice") + get("/throw") + get("/twice") + get("/worded"));
  auto a = c.receive();
  EXPECT_EQ(a.status, 503u);
  EXPECT_EQ(a.headers["retry-after"], "1");
  EXPECT_NE(a.body.find("\"status\":\"error\""), std::string::npos);
  EXPECT_NE(a.body.find("\"timestamp\":"), std::string::npos);
  EXPECT_EQ(c.receive().body, "first");
  EXPECT_EQ(c.receive().status, 503u);
  EXPECT_EQ(c.receive().body, "first");
  EXPECT_EQ(c.receive().body, "oops");  // in the words of whose route it was
}

TEST(edge_requests, answers_from_other_threads) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<exchange_ptr> queue;
  std::atomic<bool> stop{false};
  test_server s([](auto& settings) { settings.io_threads = 2; },
                [&](exchange_ptr e) {
                  std::lock_guard lock(mutex);
                  queue.push_back(std::move(e));
                });
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        exchange_ptr e;
        {
          std::lock_guard lock(mutex);
          if (!queue.empty()) {
            e = std::move(queue.back());
            queue.pop_back();
          }
        }
        if (!e) {
          std::this_thread::yield();
        } else if (e->path().size() % 2 == 0) {
          e->respond(text_response(std::string(e->path())));
        } else {
          e->post([e] { e->respond(text_response(std::string(e->path()))); });
        }
      }
    });
  std::vector<std::thread> clients;
  for (int k = 0; k < 4; ++k)
    clients.emplace_back([&, k] {
      raw_client c(s.port());
      for (int i = 0; i < 200; ++i) {
        const auto path = "/" + std::to_string(k) + "/" + std::to_string(i);
        c.send(get(path));
        ASSERT_EQ(c.receive().body, path);
      }
    });
  for (auto& t : clients) t.join();
  stop = true;
  for (auto& t : threads) t.join();
}

TEST(edge_requests, after_runs_later_and_is_dropped_at_stop) {
  std::atomic<bool> ran{false}, dropped{false};
  {
    test_server s({}, [&](exchange_ptr e) {
      if (e->path() == "/late") {
        std::shared_ptr<void> told(nullptr, [&](void*) { dropped = true; });
        e->after(std::chrono::hours(1), [&, told] { ran = true; });
        return e->respond(text_response("ok"));
      }
      const auto asked = std::chrono::steady_clock::now();
      e->after(std::chrono::milliseconds(30), [e, asked] {
        e->respond(text_response(std::chrono::steady_clock::now() - asked >= std::chrono::milliseconds(30) ? "late"
                                                                                                           : "early"));
      });
    });
    raw_client c(s.port());
    c.send(get("/") + get("/late"));
    EXPECT_EQ(c.receive().body, "late");
    EXPECT_EQ(c.receive().body, "ok");
  }
  EXPECT_FALSE(ran);
  EXPECT_TRUE(dropped);
}

TEST(edge_requests, several_listeners_and_ipv6) {
  test_server s([](auto& settings) {
    settings.listeners.resize(3);
    settings.listeners[1].port = 0;
    settings.listeners[2].host = "::1";
    settings.listeners[2].port = 0;
    settings.io_threads = 3;
  });
  for (int i = 0; i < 6; ++i) {
    raw_client c(s.port(i % 2));
    c.send(get("/"));
    EXPECT_EQ(c.receive().status, 200u);
  }
  raw_client c(s.port(2), 0, "::1");
  c.send(get("/six"));
  EXPECT_EQ(c.receive().body, "GET /six  0");
}

TEST(edge_requests, bind_errors_name_the_address) {
  test_server s;
  try {
    test_server other([&](auto& settings) { settings.listeners[0].port = s.port(); });
    FAIL();
  } catch (const std::exception& e) {
    EXPECT_EQ(std::string(e.what()),
              "Cannot listen on 127.0.0.1:" + std::to_string(s.port()) + ": Address already in use");
  }
  EXPECT_THROW(test_server([](auto& settings) { settings.listeners[0].host = "203.0.113.1"; }), std::exception);
  EXPECT_THROW(test_server([](auto& settings) { settings.listeners[0].host = "no.such.host.invalid"; }),
               std::exception);
}

TEST(edge_requests, draining) {
  std::promise<exchange_ptr> held;
  test_server s({}, [&](exchange_ptr e) {
    if (e->path() == "/held")
      held.set_value(std::move(e));
    else
      e->respond(text_response("x"));
  });
  const auto port = s.port();
  raw_client busy(port), idle(port);
  idle.send(get("/"));
  EXPECT_EQ(idle.receive().headers.count("connection"), 0u);
  busy.send(get("/held"));
  auto e = held.get_future().get();
  s->stop_accepting();
  EXPECT_EQ(s->open_exchanges(), 1u);
  {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_NE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    ::close(fd);
  }
  idle.send(get("/"));
  EXPECT_EQ(idle.receive().headers["connection"], "close");
  e->respond(text_response("done"));
  const auto a = busy.receive();
  EXPECT_EQ(a.body, "done");
  EXPECT_EQ(a.headers.at("connection"), "close");
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
}

TEST(edge_requests, answers_after_stop_go_nowhere) {
  std::mutex mutex;
  std::vector<exchange_ptr> held;
  auto s = std::make_unique<test_server>([](auto&) {},
                                         [&](exchange_ptr e) {
                                           std::lock_guard lock(mutex);
                                           held.push_back(std::move(e));
                                         });
  raw_client c(s->port()), d(s->port());
  std::string many;
  for (int i = 0; i < 16; ++i) many += get("/" + std::to_string(i));
  c.send(many);
  d.send(get("/stream"));
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(mutex);
    return held.size() == 17;
  }));
  std::atomic<int> gone{0};
  for (auto& e : held) e->on_disconnect([&] { ++gone; });
  auto stream = std::move(held.back())->start_stream(200, "text/plain", {});
  held.pop_back();
  (*s)->stop();
  EXPECT_GE(gone.load(), 16);
  std::atomic<bool> ran{false};
  held[0]->post([&] { ran = true; });
  EXPECT_TRUE(ran);
  held[0]->respond(text_response("late"));
  EXPECT_FALSE(stream->write("late"));
  s.reset();
  held[1]->respond(text_response("later"));
  held[2]->on_disconnect([&] { ++gone; });
  EXPECT_GE(gone.load(), 17);
  stream->end();
  held.clear();  // the rest dropped
}

// Stops while answers are being posted from elsewhere, many times.
TEST(edge_requests, stop_amid_answers) {
  for (int round = 0; round < 30; ++round) {
    std::mutex mutex;
    std::vector<exchange_ptr> queue;
    std::atomic<bool> stop{false};
    {
      test_server s([](auto& settings) { settings.io_threads = 2; },
                    [&](exchange_ptr e) {
                      std::lock_guard lock(mutex);
                      queue.push_back(std::move(e));
                    });
      std::thread answering([&] {
        while (!stop) {
          std::vector<exchange_ptr> taken;
          {
            std::lock_guard lock(mutex);
            taken.swap(queue);
          }
          for (auto& e : taken) e->respond(text_response("x"));
        }
      });
      std::vector<raw_client> clients;
      for (int i = 0; i < 8; ++i) clients.emplace_back(s.port());
      for (auto& c : clients) c.send(get("/") + get("/") + get("/"));
      clients[0].receive();
      s->stop();
      stop = true;
      answering.join();
    }
  }
}

}  // namespace
}  // namespace troupe::http::testing
