#include "http/core/reserved_names.hpp"

#include <gtest/gtest.h>

#include "http/routes.hpp"

namespace troupe::http {
namespace {

bool may_be_registered(const std::string& name, const config::reserved_names& reserved) {
  return config::check_registered_name(name, reserved).has_value();
}

TEST(routes_reserved_names, those_of_the_api) {
  const auto reserved = reserved_names(make_routes()->routes());
  for (const std::string name :
       {"available", "managed",   "manage",     "download", "cache",        "v1",       "v2",         "tei",
        "catalog",   "api",       "model",      "models",   "cleanup",      "health",   "metrics",    "stats",
        "predict",   "ws",        "funasr",     "vosk",     "openapi.json", "docs",     "download/x", "api/y",
        "load",      "unload",    "warmup",     "info",     "status",       "org/load", "org/info",   "org/predict",
        "org/copy",  "recognize", "transcribe", "punctuate"}) {
    EXPECT_FALSE(may_be_registered(name, reserved)) << name;
  }
  for (const std::string name : {"a", "loader", "downloads/x", "info.2/x", "v1.0-model", "load/x", "org/models",
                                 "batch", "live", "ready", "org/batch", "copy"}) {
    EXPECT_TRUE(may_be_registered(name, reserved)) << name;
  }
}

TEST(routes_reserved_names, a_new_route_reserves_what_it_needs) {
  family_routes add({"new", ""});
  const auto nothing = [](const auto&, const auto&, const auto&) {};
  add.get("/fresh/deep/{id}/below", nothing);
  add.get("/models/{model_name}/polish", nothing);
  add.get("/models/shelf/{model_name}", nothing);
  add.get("/models/shelf/first/{id}", nothing);
  const auto reserved = reserved_names(make_routes(add.take())->routes());
  for (const std::string name : {"fresh", "fresh/x", "polish", "org/polish", "shelf", "first", "first/x"}) {
    EXPECT_FALSE(may_be_registered(name, reserved)) << name;
  }
  // Not in a place of a model's name: neither behind another parameter, nor as the wrong part.
  for (const std::string name : {"deep", "below", "polish/x", "x/shelf", "x/fresh"}) {
    EXPECT_TRUE(may_be_registered(name, reserved)) << name;
  }
}

}  // namespace
}  // namespace troupe::http
