// When Redis is left alone, and what it is told when it is back.

#include <spdlog/spdlog.h>

#include "cache/catalog/tiers/shared_tier.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t names_max = 2000, scan_count = 500;  // beyond, all models' keys are swept

}  // namespace

// -- whether it is asked

void shared_tier::on_state(redis_state s) {
  { const std::lock_guard connected(connecting_); }
  if (ended_) return;
  if (s == redis_state::ready) return make_up();
  if (s == redis_state::down) leave_alone(nullptr, client_->last_error());
}

void shared_tier::failed(const error& why) {
  if (ended_) return;
  ++tell_.errors;
  {
    const std::lock_guard lock(mutex_);
    if (!breaker_.failed()) return;
    usable_ = false;
  }
  say(redis_health::down, why.message);
  probe_later();
}

// Not asked any more until make_up() is through; `owed` (null: nothing) is told to it first.
void shared_tier::leave_alone(const debt* owed, const std::string& why) {
  if (ended_) return;
  {
    const std::lock_guard lock(mutex_);
    usable_ = false;
    if (owed != nullptr) owed_.add(*owed);
    breaker_.trip();
  }
  say(redis_health::down, why);
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
    if (!me || me->ended_) return;
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
  models |= more.models;
  names.insert(more.names.begin(), more.names.end());
  if (names.size() <= names_max) return;
  names.clear();
  models = true;
}

shared_tier::debt shared_tier::debt_of(const removal& what) {
  debt out;
  for (const auto& [scope, word] : what.words) out.scopes.insert(scope);
  for (const auto& name : what.names)
    if (name.starts_with("models:model:") || name.starts_with("models:pricing:")) out.names.insert(name);
  out.models = what.models;
  out.all = what.all;
  return out;
}

bool shared_tier::owe_if_away(const removal& what) {
  const std::lock_guard lock(mutex_);
  if (usable()) return false;
  owed_.add(debt_of(what));
  return true;
}

// One at a time: while it runs, what is missed goes on being owed.
void shared_tier::make_up() {
  debt owed;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(making_up_, true)) return;
    owed = std::exchange(owed_, {});
  }
  removal what;
  // A new word once more: what was read meanwhile may have brought an older one.
  for (const auto& scope : owed.scopes) {
    what.words.emplace_back(scope, known_.rotate(scope));
    for (auto& name : names_of_scope(scope)) what.names.push_back(std::move(name));
  }
  what.names.insert(what.names.end(), owed.names.begin(), owed.names.end());
  what.models = owed.models;
  what.all = owed.all;
  carry_out(what, [me = shared_from_this(), owed](const std::string& trouble) {
    if (!trouble.empty()) return me->made_up(&owed, trouble);
    me->learn_all([me, owed](bool learnt) {
      me->made_up(learnt ? nullptr : &owed, learnt ? "" : "the generations could not be read");
    });
  });
}

void shared_tier::made_up(const debt* still_owed, const std::string& trouble) {
  bool again = false;
  {
    const std::lock_guard lock(mutex_);
    making_up_ = false;
    again = still_owed == nullptr && !owed_.empty();  // something more was missed while this went on
    if (still_owed == nullptr && !again) {
      breaker_.close();
      usable_ = true;
    }
  }
  if (still_owed != nullptr) return leave_alone(still_owed, trouble);
  if (again) return make_up();
  say(redis_health::up, {});
  if (tell_.up) tell_.up();
}

void shared_tier::learn_all(const std::function<void(bool)>& then) {
  auto known = known_.all();
  // Asked for also while there is none: that one has come since is news.
  std::erase_if(known, [](const auto& k) { return k.first == everything; });
  known.emplace_back(everything, known_.of(std::string(everything)));
  std::vector<std::string> command{"MGET"};
  for (const auto& [scope, k] : known) command.push_back(generation_key(scope));
  client_->ask(std::move(command), [me = shared_from_this(), known, then](result<redis_reply> reply) {
    auto* items = reply ? reply->items() : nullptr;
    if (items == nullptr || items->size() != known.size()) return then(false);
    for (std::size_t i = 0; i < known.size(); ++i) {
      const auto& [scope, k] = known[i];
      auto* word = (*items)[i].text();
      if (word == nullptr)
        me->known_.renew(scope, {}, k.epoch);  // Redis lost it: it begins anew when something is kept
      else if (me->known_.learn(scope, *word, k).epoch != k.epoch && scope == everything)
        me->tell_.cleared();
    }
    then(true);
  });
}

// Who cannot hear what others invalidate asks.
void shared_tier::learn_unheard() {
  if (ended_) return;
  if (usable() && listener() == redis_health::down) learn_all([](bool) {});
  client_->after(unheard_ask_pause, [weak = weak_from_this()] {
    if (const auto me = weak.lock()) me->learn_unheard();
  });
}

// Removes what matches the patterns, a piece at a time. REQUIRES: no generation does.
void shared_tier::sweep(std::vector<std::string> patterns, std::string cursor, const std::function<void(bool)>& then) {
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
      if (auto* name = n.text()) command.push_back(std::move(*name));
    if (command.size() == 1) return me->sweep(patterns, *next, then);
    me->client_->ask(std::move(command), [me, patterns, at = *next, then](result<redis_reply> removed) {
      if (!removed || removed->failed() != nullptr) return then(false);
      me->sweep(patterns, at, then);
    });
  });
}

}  // namespace troupe::cache
