#pragma once
// What changes rows, a step or a few at a time, inside a transaction of somebody else.

#include <string>
#include <vector>

#include "cache/catalog/sql/steps.hpp"

namespace troupe::cache {

// First in every transaction that writes: waits for the other writers.
void lock_writers(steps& in);
// Where rows changed: what was counted of the rows of before holds no longer.
void next_version(steps& in);
// Where rows of `provider` came or went, so that listings need not count: its rows anew, and how many ids have come
// (less those that have gone) that no other provider offers.
void count_again(steps& in, const std::string& provider, std::int64_t ids);

// catalog_database's. REQUIRES: stored_form.
void put_by_hand(steps& in, const offer& row);
std::vector<std::string> take_out_by_hand(steps& in, const std::string& id, const std::string& provider);
std::vector<std::string> keep_only(steps& in, const std::vector<std::string>& providers);
void note_outcome(steps& in, const std::string& provider, const std::string& error);

}  // namespace troupe::cache
