// Source `s3`: s3://bucket/prefix, a folder, or s3://bucket/key, one file of weights. Path-style addresses.

#include <algorithm>

#include "cache/artifacts/sources/aws_signature.hpp"
#include "cache/artifacts/sources/s3_listing.hpp"
#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "cache/artifacts/store/file_names.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t key_bytes_max = 1024;

struct s3_address {
  std::string bucket, key;  // the key without slashes at its end
};

result<s3_address> parse_address(const std::string& id) {
  const auto refuse = [&](const char* why) {
    return fail(error_code::bad_request, "'" + shown(id) + "' is no S3 address: " + why,
                "s3://bucket/prefix or s3://bucket/key");
  };
  if (!id.starts_with("s3://")) return refuse("it does not begin with s3://");
  const auto rest = std::string_view(id).substr(5);
  const auto slash = std::min(rest.find('/'), rest.size());
  s3_address out{std::string(rest.substr(0, slash)), std::string(rest.substr(std::min(slash + 1, rest.size())))};
  out.key.resize(out.key.find_last_not_of('/') + 1);
  const auto may = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  if (out.bucket.size() < 3 || out.bucket.size() > 63 || !std::all_of(out.bucket.begin(), out.bucket.end(), may) ||
      out.bucket.front() == '.' || out.bucket.find("..") != out.bucket.npos)
    return refuse("a bucket's name has 3 to 63 of a-z 0-9 - .");
  if (out.key.empty()) return refuse("it names no key and no prefix");
  if (out.key.size() > key_bytes_max) return refuse("the key is longer than 1024 bytes");
  for (const auto part : {std::string_view("/../"), std::string_view("/./"), std::string_view("//")})
    if (('/' + out.key + '/').find(part) != std::string::npos) return refuse("the key has '.', '..' or an empty part");
  return out;
}

class bucket {
 public:
  bucket(const source_context& in, std::string endpoint, s3_address at)
      : in_(in), endpoint_(std::move(endpoint)), at_(std::move(at)), what_("'" + shown(in.request.model_id) + "'") {
    const auto& s = in.settings;
    if (!s.s3_endpoint.empty()) reach_ = reach::anywhere;
    if (!s.s3_access_key.empty())
      authorize_ = [who = aws_credentials{s.s3_access_key, s.s3_secret_key, s.s3_session_token}, region = s.s3_region,
                    ours = endpoint_](std::string_view method, const std::string& url) {
        return same_origin(url, ours) ? s3_headers(method, url, who, region, std::chrono::system_clock::now())
                                      : header_lines{};
      };
  }

  result<pull_plan> plan() const {
    pull_plan out;
    out.source = source_kind::s3;
    out.model_id = in_.request.model_id;
    out.may_reach = reach_;
    out.authorize = authorize_;
    const auto name = at_.key.substr(at_.key.rfind('/') + 1);
    if (is_weights_name(name) && !in_.request.model_id.ends_with('/')) {
      auto one = list(at_.key, at_.key);
      if (!one) return tl::unexpected(one.error());
      if (one->empty()) return not_found();
      if (auto ok = check_file_name(name); !ok) return tl::unexpected(ok.error());
      out.files.push_back(plan_file(one->front(), name));
      return out;
    }
    const auto folder = at_.key + '/';
    auto objects = list(folder, {});
    if (!objects) return tl::unexpected(objects.error());
    std::erase_if(*objects, [](const auto& o) { return o.key.ends_with('/'); });  // what consoles make for a folder
    if (objects->empty()) return not_found();
    std::vector<listed_file> listing;
    for (const auto& o : *objects) listing.push_back({o.key.substr(folder.size()), o.size_bytes});
    auto chosen = select_files(listing, what_, [&](std::size_t place) { return read_text((*objects)[place]); });
    if (!chosen) return tl::unexpected(chosen.error());
    for (const auto place : chosen->files) out.files.push_back(plan_file((*objects)[place], listing[place].path));
    out.notes = std::move(chosen->notes);
    return out;
  }

 private:
  tl::unexpected<error> not_found() const {
    return fail(error_code::model_not_found, what_ + " is not there, or holds nothing");
  }
  std::string url_of(const std::string& key) const { return endpoint_ + '/' + at_.bucket + '/' + encode_path(key); }

  http_request request(std::string url) const {
    http_request out;
    out.url = std::move(url);
    out.authorize = authorize_;
    out.may_reach = reach_;
    out.follow = false;  // a redirect is another region's, for which the signature is not good
    return out;
  }

  result<void> check_status(const http_answer& answer) const {
    if (answer.status == 200) return {};
    const auto code = s3_error_code(answer.body);
    const auto said = std::to_string(answer.status) + (code.empty() ? "" : " " + code);
    const auto* region = answer.header("x-amz-bucket-region");
    if (answer.status >= 300 && (answer.status < 400 || code == "AuthorizationHeaderMalformed"))
      return fail(error_code::unprocessable,
                  what_ + " is in another region than " + in_.settings.s3_region + " (" + said + ")",
                  region == nullptr ? "set s3_region to the bucket's" : "set s3_region to " + shown(*region));
    if (answer.status == 401 || answer.status == 403)
      return fail(error_code::forbidden, what_ + " may not be read (" + said + ")",
                  authorize_ ? "the access key lacks s3:ListBucket or s3:GetObject on it, or is not valid"
                             : "set s3_access_key and s3_secret_key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)");
    if (answer.status == 404)
      return fail(error_code::model_not_found, code == "NoSuchBucket" ? "there is no bucket '" + at_.bucket + "'"
                                                                      : what_ + " is not there (" + said + ")");
    return fail(error_code::unavailable, what_ + ": " + endpoint_ + " answered " + said);
  }

  // What begins with `prefix`; with `only`, that key and nothing else.
  result<std::vector<s3_object>> list(const std::string& prefix, const std::string& only) const {
    std::vector<s3_object> out;
    std::string token;
    do {
      auto url = endpoint_ + '/' + at_.bucket + "?list-type=2&prefix=" + encode_component(prefix);
      if (!token.empty()) url += "&continuation-token=" + encode_component(token);
      auto answer = ask(in_, request(std::move(url)));
      if (!answer) return tl::unexpected(answer.error());
      if (auto ok = check_status(*answer); !ok) return tl::unexpected(ok.error());
      auto page = parse_s3_page(answer->body, what_);
      if (!page) return tl::unexpected(page.error());
      for (auto& object : page->objects) {
        if (!object.key.starts_with(prefix))
          return fail(error_code::unprocessable,
                      what_ + ": the listing has '" + shown(object.key) + "', which was not asked for");
        if (only.empty() || object.key == only) out.push_back(std::move(object));
      }
      if (out.size() > listed_files_max)
        return fail(error_code::unprocessable, what_ + " has more than " + std::to_string(listed_files_max) + " files");
      if (!only.empty()) break;  // keys come in order: the key itself is first
      if (!page->next.empty() && (page->next == token || page->objects.empty()))
        return fail(error_code::unavailable, what_ + ": the listing does not come to an end");
      token = std::move(page->next);
    } while (!token.empty());
    return out;
  }

  result<std::string> read_text(const s3_object& object) const {
    auto wanted = request(url_of(object.key));
    wanted.body_bytes_max = listed_text_bytes_max;
    auto answer = ask(in_, wanted);
    if (!answer) return tl::unexpected(answer.error());
    if (auto ok = check_status(*answer); !ok) return tl::unexpected(ok.error());
    return std::move(answer->body);
  }

  planned_file plan_file(const s3_object& object, std::string path) const {
    planned_file out;
    out.path = std::move(path);
    out.url = url_of(object.key);
    out.size_bytes = object.size_bytes;
    if (!object.etag.empty()) out.identity = object.etag + ' ' + std::to_string(object.size_bytes);
    return out;
  }

  const source_context& in_;
  const std::string endpoint_;
  const s3_address at_;
  const std::string what_;
  reach reach_ = reach::outside;
  authorizer authorize_;
};

}  // namespace

result<pull_plan> plan_s3(const source_context& in) {
  if (!in.request.revision.empty()) return fail(error_code::bad_request, "an S3 address has no revision");
  auto at = parse_address(in.request.model_id);
  if (!at) return tl::unexpected(at.error());
  const auto& region = in.settings.s3_region;
  if (region.empty() || region.size() > 32 || !std::all_of(region.begin(), region.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      }))
    return fail(error_code::bad_request, "s3_region: '" + shown(region) + "' is no region");
  if (in.settings.s3_access_key.empty() != in.settings.s3_secret_key.empty())
    return fail(error_code::bad_request, "of s3_access_key and s3_secret_key only one is set");
  auto endpoint = in.settings.s3_endpoint.empty() ? result<std::string>("https://s3." + region + ".amazonaws.com")
                                                  : checked_base_url(in.settings.s3_endpoint, "s3_endpoint");
  if (!endpoint) return tl::unexpected(endpoint.error());
  return bucket(in, std::move(*endpoint), std::move(*at)).plan();
}

}  // namespace troupe::cache
