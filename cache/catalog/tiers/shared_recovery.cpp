// When Redis is left alone, and what it is told when it is back.

#include <spdlog/spdlog.h>

#include "cache/catalog/tiers/shared_tier.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t missed_names_max = 100'000, scan_count = 500;

}  // namespace

// -- whether it is asked

void shared_tier::on_state(redis_state s) {
  { const std::lock_guard connected(connecting_); }
  if (ended_) return;
  if (s == redis_state::ready) return make_up();
  if (s != redis_state::down) return;
  usable_ = false;
  {
    const std::lock_guard lock(mutex_);
    breaker_.trip();
  }
  say(redis_health::down, client_->last_error());
}

void shared_tier::failed(const error& why) {
  if (ended_) return;
  ++tell_.errors;
  bool opened = false;
  {
    const std::lock_guard lock(mutex_);
    opened = breaker_.failed();
  }
  if (!opened) return;
  usable_ = false;
  say(redis_health::down, why.message);
  probe_later();
}

// No request waits for a try: Redis is asked beside them.
void shared_tier::probe_later() {
  if (ended_) return;
  std::chrono::milliseconds pause{};
  {
    const std::lock_guard lock(mutex_);
    if (probing_) return;
    probing_ = true;
    pause = breaker_.pause();
  }
  client_->after(pause, [weak = weak_from_this()] {
    const auto me = weak.lock();
    if (!me) return;
    {
      const std::lock_guard lock(me->mutex_);
      me->probing_ = false;
    }
    if (!me->usable() && me->client_->state() == redis_state::ready) me->make_up();
  });
}

// -- what it has missed

void shared_tier::debt::add(const debt& more) {
  scopes.insert(more.scopes.begin(), more.scopes.end());
  all |= more.all;
  too_many_names |= more.too_many_names;
  for (const auto& name : more.names) {
    if (names.size() >= missed_names_max) {
      too_many_names = true;
      break;
    }
    names.insert(name);
  }
}

bool shared_tier::owe(const removal& what, bool if_away) {
  debt more;
  for (const auto& [scope, word] : what.words) more.scopes.insert(scope);
  more.names.insert(what.names.begin(), what.names.end());
  more.all = what.all;
  const std::lock_guard lock(mutex_);
  if (if_away && usable()) return false;
  owed_.add(more);
  return true;
}

void shared_tier::make_up() {
  debt owed;
  {
    const std::lock_guard lock(mutex_);
    owed = std::exchange(owed_, {});
  }
  removal what;
  for (const auto& scope : owed.scopes) what.words.emplace_back(scope, known_.of(scope).word);
  what.names.assign(owed.names.begin(), owed.names.end());
  what.all = owed.all;
  auto commands = commands_of(what);
  if (commands.empty()) commands = {{"PING"}};
  client_->ask_all(std::move(commands), [me = shared_from_this(), owed](result<std::vector<redis_reply>> replies) {
    const auto* f = replies ? first_failure(*replies) : nullptr;
    if (!replies) return me->still_away(owed, replies.error().message);
    if (f != nullptr) return me->still_away(owed, f->text);
    std::vector<std::string> patterns;
    if (owed.all)
      patterns = {"models:*"};
    else if (owed.too_many_names)
      patterns = {"models:model:*", "models:pricing:*"};
    me->sweep(patterns, "0", [me, owed](bool swept) {
      if (!swept) return me->still_away(owed, "it could not be cleared of what is outdated");
      me->learn_all([me, owed](bool learnt) {
        if (!learnt) return me->still_away(owed, "the generations could not be read");
        if (!me->reopen()) return me->make_up();  // something more was missed while this went on
        me->say(redis_health::up, {});
        if (me->tell_.up) me->tell_.up();
      });
    });
  });
}

bool shared_tier::reopen() {
  const std::lock_guard lock(mutex_);
  if (!owed_.empty()) return false;
  breaker_.close();
  usable_ = true;
  return true;
}

void shared_tier::still_away(const debt& owed, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    owed_.add(owed);
    breaker_.trip();
  }
  say(redis_health::down, why);
  probe_later();
}

void shared_tier::learn_all(std::function<void(bool)> then) {
  auto words = known_.words();
  std::vector<std::string> command{"MGET"};
  for (const auto& [scope, word] : words) command.push_back(generation_key(scope));
  if (words.empty()) return then(true);
  client_->ask(std::move(command), [me = shared_from_this(), words, then](result<redis_reply> reply) {
    auto* items = reply ? reply->items() : nullptr;
    if (items == nullptr || items->size() != words.size()) return then(false);
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto& scope = words[i].first;
      if (auto* word = (*items)[i].text())
        me->known_.learn(scope, *word);
      else
        me->known_.renew(scope, {},
                         me->known_.of(scope).epoch);  // Redis lost it: it begins anew when something is kept
    }
    then(true);
  });
}

// Removes what matches the patterns, generations apart, a piece at a time.
void shared_tier::sweep(std::vector<std::string> patterns, std::string cursor, std::function<void(bool)> then) {
  if (patterns.empty()) return then(true);
  std::vector<std::string> scan{"SCAN",          std::move(cursor), "MATCH",
                                patterns.back(), "COUNT",           std::to_string(scan_count)};
  client_->ask(std::move(scan), [me = shared_from_this(), patterns, then](result<redis_reply> reply) mutable {
    auto* parts = reply ? reply->items() : nullptr;
    auto* next = parts != nullptr && parts->size() == 2 ? (*parts)[0].text() : nullptr;
    auto* names = next != nullptr ? (*parts)[1].items() : nullptr;
    if (names == nullptr) return then(false);
    if (*next == "0") patterns.pop_back();
    std::vector<std::string> command{"UNLINK"};
    for (auto& n : *names)
      if (auto* name = n.text(); name != nullptr && !name->starts_with("models:generation:"))
        command.push_back(std::move(*name));
    if (command.size() == 1) return me->sweep(patterns, *next, then);
    me->client_->ask(std::move(command), [me, patterns, at = *next, then](result<redis_reply> removed) {
      if (!removed || removed->failed() != nullptr) return then(false);
      me->sweep(patterns, at, then);
    });
  });
}

}  // namespace troupe::cache
