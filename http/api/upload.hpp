#pragma once
// What a request brings of a recording: a file and fields beside it, whichever form it has: multipart/form-data; the
// file alone as the body, fields in the query; JSON with the file in base64. The first problem stays, with the field's
// name, as request_fields' does. On the connection's thread, while the handler runs; the file itself lives as long as
// what recording() gives.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/protocol/recordings.hpp"
#include "config/settings.hpp"
#include "http/core/exchange.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

enum class upload_forms : std::uint8_t { form_only, any };

class upload {
 public:
  // bad_request: a malformed form, no file in it, or two. unsupported_media: another type; an encoded body.
  upload(const exchange_ptr& request, const config::settings& settings, upload_forms forms);
  upload(const upload&) = delete;
  upload& operator=(const upload&) = delete;

  struct trouble {
    error why;
    std::string field;  // empty: the body
  };
  const std::optional<trouble>& problem() const noexcept { return problem_; }
  void refuse(error why, std::string field);

  // Of the form, or JSON, before the query; of several the last. Null: absent, or empty.
  std::optional<std::string> text(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;  // also those named "name[]"
  bool flag(std::string_view name, bool otherwise);
  std::optional<double> number(std::string_view name, double least, double most);

  // The file, and what all routes read of the fields: model, punctuate, hotwords, itn, timeout. REQUIRES: once.
  actors::recording_request recording();

 private:
  void take_form(std::string_view content_type);
  void take_json();
  void take_file(std::string_view bytes, std::shared_ptr<const void> holds);
  void take_query();

  const exchange_ptr request_;
  const config::settings& settings_;
  std::vector<std::pair<std::string, std::string>> fields_;  // the query's first
  std::string_view file_;
  std::shared_ptr<const void> holds_;  // null: no file came
  std::optional<trouble> problem_;
};

// For the document: what all routes take beside the file.
std::vector<schema::field> recording_fields();
schema upload_form_schema(std::vector<schema::field> more = {});
schema upload_json_schema();

}  // namespace troupe::http
