#include "cache/catalog/tiers/catalog_cache.hpp"

#include <algorithm>
#include <set>

#include <spdlog/spdlog.h>

#include "cache/catalog/tiers/shared_tier.hpp"

namespace troupe::cache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using counter = std::atomic<std::uint64_t>;

constexpr std::size_t ids_by_name_max = 1000;  // beyond, all models' keys go

std::size_t index_of(cache_kind k) { return static_cast<std::size_t>(k); }

void add_model_scopes(std::set<std::string>& scopes) {
  for (auto& scope : model_scopes()) scopes.insert(std::move(scope));
}

class two_tiers final : public catalog_cache {
 public:
  two_tiers(const cache_options& options, const make_client& client, const make_listener& listener)
      : options_(options), local_(options.local) {
    if (!client) return;
    breaker::limits patience;
    patience.longest_pause = options.redis_retry;
    shared_ = std::make_shared<shared_tier>(
        known_, shared_tier::told{[this] { local_.clear(); }, options_.on_redis_up, errors_}, patience,
        options.redis_timeout);
    shared_->connect(client, listener);
  }
  ~two_tiers() override {
    if (shared_) shared_->disconnect();
  }

  void find(const cache_key& key, std::function<void(cached_answer)> then) override {
    if (!options_.enabled) return then(missed(key));
    if (!shared_ || !shared_->usable()) return then(from_memory(key));
    auto held = local_.find(key.local_name(), known_.of(key.scope()).epoch, steady_clock::now());
    shared_->read(key, std::move(held),
                  [this, key, then = std::move(then)](const result<shared_tier::entry>& in_redis) {
                    if (!in_redis || !in_redis->value) return then(from_memory(key));
                    ++hits_[index_of(key.kind)];
                    told("HIT", key);
                    then({copy(key, *in_redis), cache_tier::redis, false});
                  });
  }

  cached_value_ptr last_known(const cache_key& key) override {
    return local_.find(key.local_name(), known_.of(key.scope()).epoch, steady_clock::now()).value;
  }

  void forget(const cache_key& key) override { local_.remove(key.local_name()); }

  generations::known begin(const cache_key& key) const override { return known_.of(key.scope()); }

  void keep(const cache_key& key, const generations::known& since, cached_value_ptr value,
            std::uint64_t rows) override {
    const auto ttl_s = options_.times.ttl_s(key.kind);
    if (!fits(value->body.size())) {
      ++too_large_;
      spdlog::info("Cache SKIP: {} ({} bytes are more than model_cache_max_value_mb)", words_for(key.kind, key.of),
                   value->body.size());
      return;
    }
    const auto now = steady_clock::now();
    // The document's lists are for other readers: no question here is answered by one.
    const bool list = key.page.empty() && (key.kind == cache_kind::full || key.kind == cache_kind::provider ||
                                           key.kind == cache_kind::unique);
    if (!list && known_.of(key.scope()).epoch == since.epoch)
      local_.put(key.local_name(), since.epoch, value, now + seconds(ttl_s), now + seconds(ttl_s) + grace());
    const auto set = [this, key, rows, ttl_s] {
      ++sets_[index_of(key.kind)];
      const auto of_rows = rows == 0 ? std::string() : std::to_string(rows) + " models, ";
      spdlog::debug("Cache SET: {} ({}TTL: {}s)", words_for(key.kind, key.of), of_rows, ttl_s);
    };
    if (!options_.enabled) return;
    if (!shared_ || !shared_->usable()) return list ? void() : set();
    shared_->keep(key, since, *value, ttl_s, [set, list](bool kept) {
      if (kept || !list) set();
    });
  }

  bool fits(std::uint64_t size_bytes) const override { return size_bytes <= options_.value_bytes_max; }

  void holds(const cache_key& key, std::function<void(bool)> then) override {
    if (!shared_ || !options_.enabled) return then(true);  // nothing is to be put there
    shared_->holds(key, then);
  }

  void invalidate(const std::vector<scope_change>& changes, std::function<void(bool)> then) override {
    shared_tier::removal gone;
    std::set<std::string> scopes;
    for (const auto& change : changes) {
      const cache_key whole{change.kind, change.of, {}};
      const bool part = change.kind == cache_kind::full && !change.of.empty();  // none of the document's: not counted
      if (!part) ++invalidations_[index_of(change.kind)];
      if (change.kind != cache_kind::model && change.kind != cache_kind::pricing) {
        scopes.insert(whole.scope());
        for (auto& name : whole.names({})) gone.names.push_back(std::move(name));
        if (!part) told("INVALIDATE", whole);
        continue;
      }
      if (change.ids.size() > ids_by_name_max) {
        add_model_scopes(scopes);
        gone.models = true;
        continue;
      }
      for (const auto& id : change.ids) {
        const cache_key key{change.kind, id, {}};
        scopes.insert(key.scope());
        gone.names.push_back(key.names({}).front());
        told("INVALIDATE", key);
      }
    }
    for (const auto& scope : scopes) gone.words.emplace_back(scope, known_.rotate(scope));
    if (!shared_) return then(true);
    shared_->remove(gone, then);
  }

  void clear(std::function<void(bool)> then) override {
    shared_tier::removal gone;
    gone.all = true;
    std::set<std::string> scopes{"full", "full:" + std::string(all_providers), "unique", "stats",
                                 std::string(everything)};
    for (const auto& [scope, known] : known_.all())
      if (scope.starts_with("provider:")) scopes.insert(scope);
    add_model_scopes(scopes);
    for (const auto& scope : scopes) gone.words.emplace_back(scope, known_.rotate(scope));
    for (auto& n : invalidations_) ++n;
    spdlog::debug("Cache INVALIDATE: everything");
    local_.clear();
    if (!shared_) return then(true);
    shared_->remove(gone, then);
  }

  cache_counts counts() const override {
    cache_counts out;
    for (std::size_t i = 0; i < cache_kinds; ++i) {
      out.hits[i] = hits_[i];
      out.misses[i] = misses_[i];
      out.sets[i] = sets_[i];
      out.invalidations[i] = invalidations_[i];
    }
    out.local_hits = local_hits_;
    out.stale_hits = stale_hits_;
    out.errors = errors_;
    out.too_large = too_large_;
    out.local_entries = local_.entries();
    out.local_entries_max = local_.bounds().entries_max;
    out.local_bytes = local_.size_bytes();
    out.local_bytes_max = local_.bounds().bytes_max;
    out.local_evictions = local_.evictions();
    return out;
  }
  redis_health redis() const override { return shared_ ? shared_->health() : redis_health::off; }
  std::string redis_error() const override { return shared_ ? shared_->last_error() : std::string(); }
  redis_health listener() const override { return shared_ ? shared_->listener() : redis_health::off; }
  std::string listener_error() const override { return shared_ ? shared_->listener_error() : std::string(); }

 private:
  seconds grace() const { return seconds(options_.times.grace_s); }

  static void told(std::string_view what, const cache_key& key) {
    if (spdlog::should_log(spdlog::level::debug)) spdlog::debug("Cache {}: {}", what, words_for(key.kind, key.of));
  }
  cached_answer missed(const cache_key& key) {
    ++misses_[index_of(key.kind)];
    told("MISS", key);
    return {};
  }
  cached_answer from_memory(const cache_key& key) {
    const auto held = local_.find(key.local_name(), known_.of(key.scope()).epoch, steady_clock::now());
    if (held.is != local_tier::age::fresh && held.is != local_tier::age::stale) return missed(key);
    const bool stale = held.is == local_tier::age::stale;
    ++hits_[index_of(key.kind)];
    ++local_hits_;
    if (stale) ++stale_hits_;
    told("HIT", key);
    return {held.value, cache_tier::local, stale};
  }
  // The local copy ends with what it was made of, and within our own time from now whatever Redis says of it; its grace
  // is its own.
  cached_value_ptr copy(const cache_key& key, const shared_tier::entry& e) {
    const auto whole = milliseconds(seconds(options_.times.ttl_s(key.kind)));
    const auto left = std::clamp(e.left, milliseconds(0), whole);
    const auto now = steady_clock::now();
    const auto name = key.local_name();
    const auto epoch = e.epoch;  // that it was read by: it may be outdated already
    // The same as before: with the forms of it that were made.
    const auto held = local_.find(name, epoch, now);
    auto value = held.value && held.value->etag == e.value->etag ? held.value : e.value;
    if (held.is != local_tier::age::fresh || value != held.value)
      local_.put(name, epoch, value, now + left, now + left + grace());
    return value;
  }

  const cache_options options_;
  generations known_;
  local_tier local_;
  counter errors_{0}, local_hits_{0}, stale_hits_{0}, too_large_{0};
  std::array<counter, cache_kinds> hits_{}, misses_{}, sets_{}, invalidations_{};
  std::shared_ptr<shared_tier> shared_;  // null: no Redis
};

}  // namespace

std::string_view to_string(redis_health h) noexcept {
  return h == redis_health::off ? "off" : h == redis_health::up ? "up" : "down";
}

std::shared_ptr<catalog_cache> catalog_cache::make(const cache_options& options, const make_client& client,
                                                   const make_listener& listener) {
  return std::make_shared<two_tiers>(options, client, listener);
}

}  // namespace troupe::cache
