#include "cache/artifacts/sources/s3_listing.hpp"

#include <charconv>
#include <memory>
#include <optional>

#include <expat.h>

#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t depth_max = 8;
constexpr std::size_t text_bytes_max = 8192;
constexpr std::size_t objects_max = 10'000;  // of one page; S3 sends a thousand

struct free_parser {
  void operator()(XML_ParserStruct* p) const noexcept { XML_ParserFree(p); }
};

// Calls `end(path, text)` as each element ends; it may stop the parser by saying false.
class xml_walk {
 public:
  virtual ~xml_walk() = default;
  // Null: all was read.
  std::optional<std::string> read(std::string_view xml) {
    const std::unique_ptr<XML_ParserStruct, free_parser> parser(XML_ParserCreate("UTF-8"));
    if (!parser) return "no memory";
    parser_ = parser.get();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(
        parser_, [](void* self, const XML_Char* name, const XML_Char**) { static_cast<xml_walk*>(self)->begin(name); },
        [](void* self, const XML_Char*) { static_cast<xml_walk*>(self)->leave(); });
    XML_SetCharacterDataHandler(parser_, [](void* self, const XML_Char* text, int size) {
      static_cast<xml_walk*>(self)->add({text, static_cast<std::size_t>(size)});
    });
    XML_SetStartDoctypeDeclHandler(parser_, [](void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
      static_cast<xml_walk*>(self)->stop("it has a document type");
    });
    if (XML_Parse(parser_, xml.data(), static_cast<int>(xml.size()), XML_TRUE) == XML_STATUS_OK) return std::nullopt;
    if (!fault_.empty()) return fault_;
    return std::string(XML_ErrorString(XML_GetErrorCode(parser_))) + " in line " +
           std::to_string(XML_GetCurrentLineNumber(parser_));
  }

 protected:
  void stop(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
    XML_StopParser(parser_, XML_FALSE);
  }
  virtual void begun(std::string_view path) = 0;
  virtual void ended(std::string_view path, const std::string& text) = 0;

 private:
  void begin(std::string_view name) {
    if (++depth_ > depth_max) return stop("it is nested too deeply");
    path_ += '/';
    path_ += name;
    text_.clear();
    begun(path_);
  }
  void leave() {
    ended(path_, text_);
    path_.resize(path_.rfind('/'));
    text_.clear();
    --depth_;
  }
  void add(std::string_view text) {
    if (text_.size() + text.size() > text_bytes_max) return stop("it has a text of more than 8192 bytes");
    text_ += text;
  }

  XML_Parser parser_ = nullptr;
  std::string path_, text_, fault_;
  std::size_t depth_ = 0;
};

class page_walk : public xml_walk {
 public:
  s3_page page;
  bool is_listing = false, truncated = false;

 private:
  void begun(std::string_view path) override {
    if (path == "/ListBucketResult") is_listing = true;
    if (path == "/ListBucketResult/Contents") {
      if (page.objects.size() >= objects_max) return stop("a page has more than 10000 objects");
      page.objects.emplace_back();
      has_size_ = false;
    }
  }
  void ended(std::string_view path, const std::string& text) override {
    if (path == "/ListBucketResult/IsTruncated") truncated = text == "true";
    if (path == "/ListBucketResult/NextContinuationToken") page.next = text;
    if (!path.starts_with("/ListBucketResult/Contents") || page.objects.empty()) return;
    auto& object = page.objects.back();
    if (path.ends_with("Contents/Key")) object.key = text;
    if (path.ends_with("Contents/ETag")) {
      object.etag = shown(text);
      std::erase(object.etag, '"');
    }
    if (path.ends_with("Contents/Size")) {
      const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), object.size_bytes);
      has_size_ = why == std::errc() && end == text.data() + text.size();
    }
    if (path == "/ListBucketResult/Contents" && (object.key.empty() || !has_size_))
      stop("an object has no " + std::string(object.key.empty() ? "Key" : "Size: '" + shown(object.key) + "'"));
  }
  bool has_size_ = false;
};

class error_walk : public xml_walk {
 public:
  std::string code;

 private:
  void begun(std::string_view) override {}
  void ended(std::string_view path, const std::string& text) override {
    if (path == "/Error/Code") code = shown(text);
  }
};

}  // namespace

result<s3_page> parse_s3_page(std::string_view xml, const std::string& what) {
  page_walk walk;
  auto fault = walk.read(xml);
  if (!fault && !walk.is_listing) fault = "it is no ListBucketResult";
  if (!fault && walk.truncated && walk.page.next.empty()) fault = "it is cut off and has no NextContinuationToken";
  if (fault) return fail(error_code::unprocessable, what + ": the listing is not usable: " + *fault);
  if (!walk.truncated) walk.page.next.clear();
  return std::move(walk.page);
}

std::string s3_error_code(std::string_view xml) {
  error_walk walk;
  return walk.read(xml) ? std::string() : walk.code;
}

}  // namespace troupe::cache
