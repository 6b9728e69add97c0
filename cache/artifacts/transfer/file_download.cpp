#include "cache/artifacts/transfer/file_download.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include <spdlog/spdlog.h>

#include "cache/artifacts/transfer/retry.hpp"

namespace troupe::cache {
namespace {

constexpr std::uint64_t progress_bytes = 1 << 20;  // so many more, and earlier failures do not count any longer
constexpr auto closing_patience = std::chrono::milliseconds(500);
constexpr std::uint32_t start_overs_max = 3;

error unavailable(std::string why) { return {error_code::unavailable, std::move(why), {}, {}}; }

std::string range_header(const byte_range& r) {
  auto text = "bytes=" + std::to_string(r.begin) + '-';
  if (r.end != range_plan::unknown) text += std::to_string(r.end - 1);
  return text;
}

}  // namespace

// One request for it.
struct file_download::flight final : exchange_sink {
  flight(file_download& o, asked_bytes a) : owner(o), asked(a), at(a.range.begin), end(a.range.end) {}
  bool on_head(const http_answer& head) override { return owner.on_head(*this, head); }
  bool on_body(std::span<const std::byte> bytes) override { return owner.on_body(*this, bytes); }

  file_download& owner;
  const asked_bytes asked;
  std::uint64_t at, end;
  std::optional<std::uint64_t> taken;  // of the plan, from there on
  std::optional<answer_meaning> meaning;
  std::optional<error> broke;  // while its body came
  bool stale = false;
  std::unique_ptr<exchange> runs;
};

file_download::file_download(network& net, hash_thread& hashes, file_transfer what,
                             std::function<void(result<transferred_file>)> ended)
    : net_(net),
      hashes_(hashes),
      what_(std::move(what)),
      ended_(std::move(ended)),
      plan_(what_.size_bytes.value_or(range_plan::unknown)),
      size_(what_.size_bytes) {}

file_download::~file_download() { net_.on.forget(closing_); }

void file_download::start() {
  if (size_ && what_.size_bytes_max > 0 && *size_ > what_.size_bytes_max) {
    return end(fail(error_code::unprocessable, shown_url(what_.url) + " is " + std::to_string(*size_) +
                                                   " bytes, more than the " + std::to_string(what_.size_bytes_max) +
                                                   " allowed"));
  }
  auto file = partial_file::open(what_.to, what_.identity, what_.size_bytes);
  if (!file) return end(tl::unexpected(file.error()));
  file_.emplace(std::move(*file), what_.identity, hashes_,
                [this, post = net_.on.post(), alive = std::weak_ptr<char>(alive_)] {
                  post([this, alive] {
                    if (!alive.expired()) on_hash();
                  });
                });
  const auto& kept = file_->kept();
  if (!size_) size_ = kept.size;
  etag_ = kept.etag;
  resumed_ = progress_mark_ = kept.whole;
  pieced_ = kept.whole > 0;
  plan_ = range_plan(size_.value_or(range_plan::unknown), kept.whole);
  check_complete();
}

// -- requests ----------------------------------------------------------------------------------------------------

bool file_download::serves_ranges() const {
  return size_ && !ranges_refused_ && *size_ / 2 >= net_.options.range_bytes;
}

std::size_t file_download::connections() const noexcept { return flights_.size(); }

bool file_download::wants_connection(steady_time now) const {
  if (stage_ != stage::fetching || now < not_before_) return false;
  if (flights_.empty()) return true;
  return ranges_proven_ && serves_ranges() && flights_.size() < net_.options.connections_per_file_max &&
         plan_.has_open();
}

void file_download::connect() {
  if (ranges_refused_ && plan_.whole() > 0)
    if (auto ok = restart(); !ok) return stop(ok.error());
  const auto taken = plan_.take(serves_ranges() ? net_.options.range_bytes : range_plan::unknown);
  asked_bytes asked{taken.value_or(byte_range{}), false, !direct_url_.empty()};
  asked.as_range = taken && (taken->begin > 0 || taken->end != plan_.size());
  exchange_request request;
  request.url = asked.as_redirected ? direct_url_ : what_.url;
  request.first_url = what_.url;
  if (!asked.as_redirected || direct_proves_) request.authorize = what_.authorize;
  request.may_reach = what_.may_reach;
  if (asked.as_range) {
    request.headers.emplace_back("Range", range_header(asked.range));
    if (const auto etag = strong_etag(etag_); !etag.empty()) request.headers.emplace_back("If-Range", etag);
  }
  auto& f = *flights_.emplace_back(std::make_unique<flight>(*this, asked));
  if (taken) f.taken = taken->begin;
  f.runs =
      std::make_unique<exchange>(net_, std::move(request), f, [this, &f](const exchange_end& how) { on_end(f, how); });
  f.runs->start();
}

// Their exchanges go when libcurl calls nothing of ours.
void file_download::drop_flights(const flight* but) {
  for (auto& f : flights_) f->stale = f->stale || f.get() != but;
  net_.on.defer([this, alive = std::weak_ptr<char>(alive_)] {
    if (!alive.expired()) std::erase_if(flights_, [](const auto& f) { return f->stale; });
  });
}

// -- answers -----------------------------------------------------------------------------------------------------

known_content file_download::known() const {
  return {size_, what_.size_bytes.has_value(), etag_, what_.size_bytes_max};
}

bool file_download::on_head(flight& f, const http_answer& head) {
  if (f.stale) return false;
  f.meaning = judge_answer(head, f.asked, known(), net_.options.retry_after_max, std::chrono::system_clock::now());
  if (f.meaning->what == answer_meaning::kind::all) {
    take_all(f, head);
    return !f.broke;
  }
  if (f.meaning->what != answer_meaning::kind::part) return false;
  answered_ = ranges_proven_ = true;
  f.end = f.meaning->body.end;
  if (!size_ && f.meaning->size) {
    size_ = f.meaning->size;
    plan_.set_size(*size_);
  }
  if (const auto* etag = head.header("etag"); etag != nullptr && etag_.empty()) etag_ = *etag;
  served_by_ = head.url;
  return true;
}

// Whatever was asked and whatever is there: this is the file from its first byte on.
void file_download::take_all(flight& f, const http_answer& head) {
  drop_flights(&f);
  if (f.asked.as_range) ranges_refused_ = true;
  if (f.meaning->serves_ranges) ranges_refused_ = false;
  if (plan_.whole() > 0 || resumed_ > 0) {
    spdlog::info("{}: is fetched from its first byte again", shown_url(what_.url));
    if (auto ok = restart(); !ok) {
      f.broke = ok.error();
      return;
    }
  }
  answered_ = true;
  if (!what_.size_bytes) size_ = f.meaning->size;
  plan_ = range_plan(size_.value_or(range_plan::unknown));
  f.taken.reset();
  if (const auto all = plan_.take(range_plan::unknown)) f.taken = all->begin;
  f.at = 0;
  f.end = plan_.size();
  const auto* etag = head.header("etag");
  etag_ = etag == nullptr ? std::string() : *etag;
  served_by_ = head.url;
}

bool file_download::on_body(flight& f, std::span<const std::byte> bytes) {
  if (f.stale) return false;
  const auto refuse = [&](const std::string& why) {
    f.broke = error{error_code::unprocessable, shown_url(what_.url) + why, {}, {}};
    return false;
  };
  if (bytes.size() > f.end - f.at) return refuse(" sends more than the " + std::to_string(f.end) + " bytes it has");
  if (what_.size_bytes_max > 0 && f.at + bytes.size() > what_.size_bytes_max)
    return refuse(" is more than the " + std::to_string(what_.size_bytes_max) + " bytes allowed");
  if (auto ok = file_->write(f.at, bytes); !ok) {
    f.broke = ok.error();
    return false;
  }
  plan_.wrote(f.at, f.at + bytes.size());
  f.at += bytes.size();
  file_->grown_to(plan_.prefix(), false);
  return true;
}

void file_download::on_end(flight& f, const exchange_end& how) {
  const auto it = std::find_if(flights_.begin(), flights_.end(), [&](const auto& p) { return p.get() == &f; });
  assert(it != flights_.end());
  const auto owned = std::move(*it);
  flights_.erase(it);
  if (f.stale) return;
  if (f.taken) plan_.give_back(*f.taken);
  if (stage_ != stage::fetching) return;
  file_->grown_to(plan_.prefix(), true);
  if (f.broke) return f.broke->code == error_code::unprocessable ? give_up(*f.broke) : stop(*f.broke);
  if (how.how == exchange_end::kind::refused) return stop(how.why);
  const bool wanted =
      f.meaning && (f.meaning->what == answer_meaning::kind::all || f.meaning->what == answer_meaning::kind::part);
  if (wanted) return after_body(f, how);
  if (f.meaning) return after_meaning(f);
  direct_url_.clear();
  retry(how.why, std::nullopt);
}

void file_download::after_meaning(const flight& f) {
  const auto& m = *f.meaning;
  switch (m.what) {
    case answer_meaning::kind::start_over: return start_over(m.why);
    case answer_meaning::kind::from_origin: direct_url_.clear(); return;
    case answer_meaning::kind::again: return retry(m.why, m.wait);
    default: return m.why.code == error_code::unprocessable ? give_up(m.why) : stop(m.why);
  }
}

void file_download::after_body(flight& f, const exchange_end& how) {
  if (f.runs->was_redirected()) {
    direct_url_ = f.runs->head().url;
    direct_proves_ = f.runs->proves();
  }
  if (how.how == exchange_end::kind::failed) return retry(how.why, std::nullopt);
  if (f.end == range_plan::unknown) {  // it has ended where the server has
    size_ = f.at;
    plan_.set_size(f.at);
  }
  if (f.at < f.end && f.end != range_plan::unknown) {
    return retry(
        unavailable(shown_url(served_by_) + " ends at byte " + std::to_string(f.at) + " of " + std::to_string(f.end)),
        std::nullopt);
  }
  const auto& asked = f.asked.range;
  if (size_ && f.meaning->what == answer_meaning::kind::part &&
      f.end - asked.begin < (std::min(asked.end, plan_.size()) - asked.begin) / 2)
    return retry(unavailable(shown_url(served_by_) + " serves less than half of what it is asked for"), std::nullopt);
  if (!size_ && f.asked.range.end == range_plan::unknown) {  // a range to the end, of a size that nobody told
    size_ = f.at;
    plan_.set_size(f.at);
  }
  check_complete();
}

// -- digest ------------------------------------------------------------------------------------------------------

void file_download::check_complete() {
  const auto flies = [](const auto& f) { return !f->stale; };
  if (stage_ != stage::fetching || !plan_.complete() || std::any_of(flights_.begin(), flights_.end(), flies)) return;
  if (!answered_ && resumed_ == 0) return;  // an empty file is asked for, too
  stage_ = stage::hashing;
  file_->grown_to(plan_.prefix(), true);
  if (!file_->tell_at(plan_.size())) on_hash();
}

void file_download::on_hash() {
  if (stage_ == stage::ended) return;
  const auto hashed = file_->look();
  if (stage_ == stage::closing) return close();
  if (hashed.kept_differ) {
    return start_over(unavailable("what was kept of " + what_.to.string() + " is not what was fetched"));
  }
  if (hashed.why) return stop(*hashed.why);
  if (stage_ == stage::hashing && hashed.bytes == plan_.size()) verify(hashed.sha256);
}

void file_download::verify(const std::string& hex) {
  const bool whole_differs = !what_.sha256.empty() && hex != what_.sha256;
  if (!whole_differs && hex.starts_with(what_.sha256_begins)) {
    file_->record(size_, etag_);
    return end(transferred_file{plan_.size(), resumed_, hex, etag_, served_by_.empty() ? what_.url : served_by_});
  }
  ++net_.counts.hash_faults;
  error why{error_code::unprocessable,
            shown_url(what_.url) + " has the SHA-256 " + hex + ", not " +
                (whole_differs ? what_.sha256 : what_.sha256_begins + "..") + " as was told",
            {},
            {}};
  return pieced_ ? start_over(why) : give_up(std::move(why));
}

// -- faults, and the end -----------------------------------------------------------------------------------------

void file_download::retry(const error& why, std::optional<std::chrono::seconds> wait) {
  const auto& o = net_.options;
  if (plan_.whole() >= progress_mark_ + progress_bytes) {
    progress_mark_ = plan_.whole();
    failures_ = 0;
  }
  if (++failures_ > o.retries_max) {
    auto last = why;
    last.message += "; given up after " + std::to_string(failures_) + " tries";
    return stop(std::move(last));
  }
  ++net_.counts.retries;
  pieced_ = pieced_ || plan_.whole() > 0;
  const auto chance = std::uniform_real_distribution<>(0, 1)(net_.chance);
  const auto delay = std::max<std::chrono::milliseconds>(backoff(failures_, o.backoff_min, o.backoff_max, chance),
                                                         wait.value_or(std::chrono::seconds(0)));
  spdlog::info("{}; tried again in {} ms", why.message, delay.count());
  not_before_ = std::max(not_before_, steady_clock::now() + delay);
  net_.on.at(not_before_, [] {});  // so that the tick comes then
}

// What is there is nothing any more.
result<void> file_download::restart() {
  if (!what_.size_bytes) size_.reset();
  plan_ = range_plan(size_.value_or(range_plan::unknown));
  etag_.clear();
  resumed_ = 0;
  pieced_ = false;
  return file_->restart();
}

void file_download::start_over(const error& why) {
  if (++start_overs_ > start_overs_max) {
    return stop(
        {error_code::unavailable, why.message + "; given up after " + std::to_string(start_overs_) + " times", {}, {}});
  }
  spdlog::warn("{}; it is fetched from its first byte again", why.message);
  ++net_.counts.retries;
  drop_flights(nullptr);
  ranges_refused_ = true;
  ranges_proven_ = answered_ = false;
  stage_ = stage::fetching;
  if (auto ok = restart(); !ok) stop(ok.error());
}

void file_download::give_up(error why) {
  if (stage_ == stage::ended) return;
  drop_flights(nullptr);
  file_->remove();
  end(tl::unexpected(std::move(why)));
}

void file_download::stop(error why) {
  if (stage_ == stage::ended || stage_ == stage::closing) return;
  drop_flights(nullptr);
  stage_ = stage::closing;
  why_ = std::move(why);
  file_->grown_to(plan_.prefix(), true);
  if (!file_->can_be_kept() || !file_->tell_at(plan_.prefix())) return close();
  closing_ = net_.on.at(steady_clock::now() + closing_patience, [this] { close(); });
}

// What is hashed by now is kept.
void file_download::close() {
  net_.on.forget(closing_);
  file_->keep_recorded(size_, etag_);
  end(tl::unexpected(*why_));
}

void file_download::tick(steady_time now) {
  if (stage_ == stage::fetching) file_->record_sometimes(now, plan_.prefix(), size_, etag_);
}

void file_download::end(result<transferred_file> with) {
  stage_ = stage::ended;
  net_.on.forget(closing_);
  if (auto ended = std::exchange(ended_, nullptr)) ended(std::move(with));
}

}  // namespace troupe::cache
