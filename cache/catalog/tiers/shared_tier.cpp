#include "cache/catalog/tiers/shared_tier.hpp"

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>
#include <spdlog/spdlog.h>

namespace troupe::cache {
namespace {

constexpr std::size_t names_a_command = 500;
constexpr int tries_max = 3;                            // of a read whose generation changes under it
constexpr std::uint64_t generation_ttl_s = 14 * 86400;  // longer than anything that is made under one
constexpr std::size_t message_bytes_max = 1 << 20;

// Writes the value under the names if the scope's generation is still the expected one (or, where none was known, there
// is still none: then it begins). Answers the generation that there is.
constexpr auto keep_script =
    "local g = redis.call('GET', KEYS[1]) "
    "if g ~= false then if g ~= ARGV[1] then return g end "
    "elseif ARGV[2] == '' then return '' "
    "else g = ARGV[2] redis.call('SET', KEYS[1], g, 'EX', ARGV[5]) end "
    "for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[4], 'EX', ARGV[3]) end "
    "return g";

std::chrono::milliseconds left_of(const redis_reply& pttl) {
  const auto* ms = std::get_if<std::int64_t>(&pttl.value);
  return std::chrono::milliseconds(ms != nullptr ? *ms : 0);
}

// NOAUTH, LOADING, READONLY, OOM ..: it answers, but not what was asked.
error refused(const redis_reply::failure& f) { return {error_code::unavailable, "Redis: " + f.text, {}, {}}; }

}  // namespace

const redis_reply::failure* shared_tier::first_failure(const std::vector<redis_reply>& replies) {
  for (const auto& r : replies)
    if (const auto* f = r.failed()) return f;
  return nullptr;
}

shared_tier::shared_tier(generations& known, told tell, breaker::limits patience, std::chrono::milliseconds timeout)
    : known_(known), tell_(std::move(tell)), timeout_(timeout), self_(random_generation()), breaker_(patience) {}

void shared_tier::connect(const catalog_cache::make_client& client, const catalog_cache::make_listener& listener) {
  {
    const std::lock_guard lock(mutex_);
    shown_ = redis_health::down;
    error_ = "not connected yet";
  }
  const auto weak = weak_from_this();
  // Its thread runs before it is known here.
  const std::lock_guard connecting(connecting_);
  owned_ = client([weak](redis_state s) {
    if (const auto me = weak.lock()) me->on_state(s);
  });
  client_ = owned_.get();
  if (listener) {
    listener_ = listener(
        [weak](const std::string& payload) {
          if (const auto me = weak.lock()) me->on_message(payload);
        },
        [weak] {
          // What was said before nobody here has heard.
          if (const auto me = weak.lock()) me->learn_all([](bool) {});
        });
    client_->after(unheard_ask_pause, [weak] {
      if (const auto me = weak.lock()) me->learn_unheard();
    });
  }
}

void shared_tier::disconnect() {
  ended_ = true;
  usable_ = false;
  std::unique_ptr<redis_listener> listener;
  std::unique_ptr<redis_client> client;
  {
    const std::lock_guard connecting(connecting_);
    listener = std::move(listener_);
    client = std::move(owned_);
  }
  listener.reset();
}

redis_health shared_tier::health() const noexcept {
  const std::lock_guard lock(mutex_);
  return shown_;
}

std::string shared_tier::last_error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

redis_health shared_tier::listener() const {
  const std::lock_guard connecting(connecting_);
  return !listener_ ? redis_health::off : listener_->listening() ? redis_health::up : redis_health::down;
}

std::string shared_tier::listener_error() const {
  const std::lock_guard connecting(connecting_);
  return listener_ ? listener_->last_error() : std::string();
}

void shared_tier::say(redis_health h, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    error_ = h == redis_health::up ? std::string() : why;
    if (shown_ == h) return;
    shown_ = h;
  }
  if (h == redis_health::up)
    spdlog::info("Redis answers: the catalog is cached there");
  else
    spdlog::warn("Redis unavailable: {}; the catalog is answered from memory and the database", why);
}

// -- reading and writing

void shared_tier::read(const cache_key& key, local_tier::found held, std::function<void(result<entry>)> then) {
  read_again({key, std::move(held.value), held.is == local_tier::age::fresh, tries_max, steady_clock::now() + timeout_,
              std::move(then)});
}

// Of a page that memory has, the head alone: it says whether that is still the one, and is a hundredth of it.
void shared_tier::read_again(reading r) {
  const auto scope = r.key.scope();
  const auto seen = known_.of(scope);
  const auto name = r.key.names(seen.word).front();
  const auto& page = r.key.page;
  std::vector<std::vector<std::string>> commands{{"GET", generation_key(scope)}};
  if (r.held && !page.empty())
    commands.push_back({"GETRANGE", name, "0", std::to_string(head_bytes_max - 1)});
  else
    commands.push_back({"GET", name});
  const bool wants_left = page.empty() || !r.held || !r.fresh;
  if (wants_left) commands.push_back({"PTTL", name});
  client_->ask_all(std::move(commands), [me = shared_from_this(), r = std::move(r), scope, seen,
                                         wants_left](result<std::vector<redis_reply>> replies) mutable {
    if (replies) {
      if (const auto* f = first_failure(*replies)) {
        if (f->text.starts_with("WRONGTYPE")) return r.then(me->no_value(r.key));  // somebody else's
        replies = tl::unexpected(refused(*f));
      }
    }
    if (!replies) {
      me->failed(replies.error());
      return r.then(tl::unexpected(replies.error()));
    }
    {
      const std::lock_guard lock(me->mutex_);
      me->breaker_.succeeded();
    }
    const bool is_page = !r.key.page.empty();
    const auto* word = (*replies)[0].text();
    if (word == nullptr) {
      // Redis has lost it: pages of before are nobody's any more.
      if (!seen.word.empty()) me->known_.renew(scope, {}, seen.epoch);
      if (is_page) return r.then(entry{});
    }
    const auto now = word != nullptr ? me->known_.learn(scope, *word, seen) : seen;
    // A round that may take as long as the last one must end in time.
    const bool time_left = --r.tries > 0 && 2 * (r.until - steady_clock::now()) > me->timeout_;
    if (is_page && *word != seen.word) return time_left ? me->read_again(std::move(r)) : r.then(entry{});
    const auto* stored = (*replies)[1].text();
    if (stored == nullptr || stored->empty()) return r.then(entry{});
    const auto left = wants_left ? left_of(replies->back()) : std::chrono::milliseconds(0);
    const bool same = is_page && r.held && is_head_of(*stored, *r.held);
    auto value = same ? r.held : !is_page ? read_plain(*stored) : r.held != nullptr ? nullptr : read_headed(*stored);
    if (value) return r.then(entry{std::move(value), left, now.epoch});
    if (!is_page || std::exchange(r.held, nullptr) == nullptr) return r.then(me->no_value(r.key));
    return time_left ? me->read_again(std::move(r)) : r.then(entry{});  // another one than memory has
  });
}

shared_tier::entry shared_tier::no_value(const cache_key& key) {
  ++tell_.errors;
  spdlog::debug("Redis holds what is no value of the catalog: {}", words_for(key.kind, key.of));
  return {};
}

void shared_tier::keep(const cache_key& key, const generations::known& since, const cached_value& value,
                       std::uint64_t ttl_s, const std::function<void(bool)>& then) {
  if (!usable()) return then(false);
  const auto scope = key.scope();
  const auto fresh = since.word.empty() ? random_generation() : std::string();
  const auto& word = since.word.empty() ? fresh : since.word;
  const auto names = key.names(word);
  std::vector<std::string> command{"EVAL", keep_script, std::to_string(1 + names.size()), generation_key(scope)};
  command.insert(command.end(), names.begin(), names.end());
  command.push_back(since.word);
  command.push_back(fresh);
  command.push_back(std::to_string(ttl_s));
  command.push_back(key.page.empty() ? value.body : with_head(value));
  command.push_back(std::to_string(generation_ttl_s));
  client_->ask(std::move(command),
               [me = shared_from_this(), scope, since, fresh, word, then](result<redis_reply> reply) {
                 if (reply) {
                   if (const auto* f = reply->failed()) reply = tl::unexpected(refused(*f));
                 }
                 if (!reply) {
                   ++me->tell_.errors;
                   spdlog::debug("the catalog's cache: {}", reply.error().message);
                   return then(false);
                 }
                 const auto* now = reply->text();
                 if (now == nullptr) return then(false);
                 if (*now == word) {
                   if (!fresh.empty()) me->known_.renew(scope, fresh, since.epoch);
                   return then(true);
                 }
                 if (now->empty())
                   me->known_.renew(scope, {}, since.epoch);
                 else
                   me->known_.learn(scope, *now);
                 then(false);
               });
}

void shared_tier::holds(const cache_key& key, const std::function<void(bool)>& then) {
  if (!usable()) return then(false);
  client_->ask({"EXISTS", key.names({}).front()}, [then](result<redis_reply> reply) {
    const auto* n = reply ? std::get_if<std::int64_t>(&reply->value) : nullptr;
    then(n != nullptr && *n > 0);
  });
}

// -- invalidation

std::vector<std::vector<std::string>> shared_tier::commands_of(const removal& what) const {
  std::vector<std::vector<std::string>> out;
  if (what.words.empty() && what.names.empty() && !what.all) return out;
  // One transaction: nobody sees a new generation beside an old value.
  out.push_back({"MULTI"});
  for (const auto& [scope, word] : what.words)
    out.push_back({"SET", generation_key(scope), word, "EX", std::to_string(generation_ttl_s)});
  for (std::size_t at = 0; at < what.names.size(); at += names_a_command) {
    std::vector<std::string> command{"UNLINK"};
    const auto end = std::min(what.names.size(), at + names_a_command);
    command.insert(command.end(), what.names.begin() + static_cast<std::ptrdiff_t>(at),
                   what.names.begin() + static_cast<std::ptrdiff_t>(end));
    out.push_back(std::move(command));
  }
  out.push_back({"PUBLISH", std::string(invalidation_channel), message_of(what)});
  out.push_back({"EXEC"});
  return out;
}

void shared_tier::send(const removal& what, const std::function<void(const std::string&)>& then) {
  auto commands = commands_of(what);
  if (commands.empty()) return then({});
  client_->ask_all(std::move(commands), [then](result<std::vector<redis_reply>> replies) {
    const auto* f = replies ? first_failure(*replies) : nullptr;
    then(!replies ? replies.error().message : f != nullptr ? "Redis: " + f->text : std::string());
  });
}

// What is swept is swept after the new generations are known, so that no older refresh brings it back; and who has read
// it until then has read what is outdated, so the generations change once more.
void shared_tier::carry_out(const removal& what, const std::function<void(const std::string&)>& then) {
  const auto me = shared_from_this();
  send(what, [me, what, then](const std::string& trouble) {
    if (!trouble.empty() || !(what.models || what.all)) return then(trouble);
    std::vector<std::string> patterns{"models:model:*", "models:pricing:*"};
    if (what.all)
      patterns.insert(patterns.end(), {"models:page:*", "models:provider:*", "models:gateway:*", "models:catalog:*",
                                       "models:unique", "models:stats"});
    me->sweep(patterns, "0", [me, what, then](bool swept) {
      if (!swept) return then("it could not be cleared of what is outdated");
      removal again;
      for (const auto& [scope, word] : what.words) again.words.emplace_back(scope, me->known_.rotate(scope));
      again.all = what.all;
      me->send(again, then);
    });
  });
}

void shared_tier::remove(const removal& what, const std::function<void(bool)>& then) {
  if (!client_) return then(true);
  if (owe_if_away(what)) return then(false);
  auto owed = debt_of(what);
  carry_out(what, [me = shared_from_this(), owed = std::move(owed), then](const std::string& trouble) {
    if (!trouble.empty()) {
      // It may have been done or not: until it is done for certain, nothing is read there.
      ++me->tell_.errors;
      me->leave_alone(&owed, trouble);
    }
    then(trouble.empty());
  });
}

std::string shared_tier::message_of(const removal& what) const {
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> out(text);
  out.StartObject();
  out.Key("from");
  out.String(self_.data(), static_cast<rapidjson::SizeType>(self_.size()));
  out.Key("clear");
  out.Bool(what.all);
  out.Key("generations");
  out.StartObject();
  for (const auto& [scope, word] : what.words) {
    out.Key(scope.data(), static_cast<rapidjson::SizeType>(scope.size()));
    out.String(word.data(), static_cast<rapidjson::SizeType>(word.size()));
  }
  out.EndObject();
  out.EndObject();
  return {text.GetString(), text.GetSize()};
}

void shared_tier::on_message(const std::string& payload) {
  simdjson::dom::parser parser(message_bytes_max);
  simdjson::dom::element root;
  std::string_view from;
  simdjson::dom::object words;
  if (parser.parse(payload).get(root) || root["from"].get(from) || root["generations"].get(words)) {
    spdlog::debug("a message on {} is none of the catalog's", invalidation_channel);
    return;
  }
  if (from == self_) return;
  for (const auto& [scope, value] : words) {
    std::string_view word;
    if (!value.get(word) && !word.empty()) known_.learn(std::string(scope), word);
  }
  bool clear = false;
  if (!root["clear"].get(clear) && clear) tell_.cleared();
}

}  // namespace troupe::cache
