#pragma once
// Document 004's administration, as JSON. The catalog's own answers are written where they are cached
// (cache/catalog/catalog_json.hpp). Pure.

#include <string>

#include "actors/protocol/catalog.hpp"

namespace troupe::http {

class json_out;

std::string cache_stats_json(const actors::catalog_state& s);
std::string warm_json(const actors::warm_report& r);
std::string clear_json(const actors::clear_report& r);
std::string sync_json(const actors::sync_report& r);
std::string edit_json(const actors::edit_report& r, bool removed);
// The object that /health has of the catalog.
void write_catalog_health(json_out& json, const actors::catalog_state& s);

}  // namespace troupe::http
