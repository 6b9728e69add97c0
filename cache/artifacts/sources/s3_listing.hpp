#pragma once
// Answers of S3's ListObjectsV2, and its errors: XML, read by expat. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

struct s3_object {
  std::string key, etag;
  std::uint64_t size_bytes = 0;
};

struct s3_page {
  std::vector<s3_object> objects;
  std::string next;  // continuation token; empty: the last page
};

// Errors (unprocessable): no such XML, a document type (entities), nested too deeply, what is missing. `what` names the
// listing.
result<s3_page> parse_s3_page(std::string_view xml, const std::string& what);

// <Error><Code>NoSuchBucket</Code>..: the code; empty: it is no such answer.
std::string s3_error_code(std::string_view xml);

}  // namespace troupe::cache
