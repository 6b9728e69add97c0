#include "inference/text/library_frame.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "inference/text/library_checks.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
using family = tokenizer_family;

std::string in_quotes(std::string_view text) { return '\'' + std::string(text.substr(0, 100)) + '\''; }
const char* flag(bool value) { return value ? "true" : "false"; }

class frame_builder {
 public:
  frame_builder(const fs::path& folder, const std::shared_ptr<const model_json>& json,
                const tokenizer_settings& settings, library_handle& library)
      : folder_(folder), json_(json), settings_(settings), library_(library) {}

  result<void> put_frame() {
    result<std::string> made = std::string();
    switch (settings_.kind) {
      case family::roberta: {
        const auto sep = token_and_id(settings_.sep, "sep_token"), cls = token_and_id(settings_.cls, "cls_token");
        for (const auto* token : {&sep, &cls})
          if (!*token) return tl::unexpected(token->error());
        made = R"({"type":"RobertaProcessing","sep":)" + *sep + R"(,"cls":)" + *cls + R"(,"trim_offsets":)" +
               flag(settings_.trim_offsets.value_or(true)) + R"(,"add_prefix_space":)" +
               flag(settings_.add_prefix_space.value_or(false)) + '}';
        break;
      }
      case family::xlm_roberta:
      case family::camembert: made = templates("bos A eos", "bos A eos eos B eos"); break;
      case family::deberta: made = templates("cls A sep", "cls A sep sep B sep"); break;
      case family::deberta_v2: made = templates("cls A sep", "cls A sep B:1 sep:1"); break;
      case family::albert: {
        const auto kept = frame_of_json();
        if (!kept) return tl::unexpected(kept.error());
        if (*kept) return {};
        made = templates("cls A sep", "cls A sep B:1 sep:1");
        break;
      }
      default: {
        if (json_ && settings_.kind != family::as_written) {
          const auto kept = frame_of_json();
          if (!kept) return tl::unexpected(kept.error());
          if (*kept) return {};
        }
        const bool bos = !json_ && settings_.add_bos && !settings_.bos.empty();
        const bool eos = !json_ && settings_.add_eos && !settings_.eos.empty();
        made = templates(std::string(bos ? "bos A" : "A") + (eos ? " eos" : ""),
                         std::string(bos ? "bos A" : "A") + (eos ? " eos" : "") + (bos ? " bos:1" : "") + " B:1" +
                             (eos ? " eos:1" : ""));
        break;
      }
    }
    if (!made) return tl::unexpected(made.error());
    if (auto ok = library_.frame(*made); !ok) return refuse(ok.error().message);
    return {};
  }
  std::int32_t largest_id() const noexcept { return largest_id_; }

 private:
  tl::unexpected<error> refuse(const std::string& what) const {
    return fail(error_code::unprocessable, folder_.string() + ": " + what);
  }

  // [token, id]; the id of the unknown one where it is not there, as convert_tokens_to_ids() gives.
  result<std::string> token_and_id(const std::string& token, const char* name) const {
    auto id = library_.id_of(token);
    if (!id) id = library_.id_of(settings_.unknown);
    if (token.empty() || !id) return refuse("its tokenizer has no " + std::string(name) + ' ' + in_quotes(token));
    return '[' + json_quoted(token) + ',' + std::to_string(*id) + ']';
  }

  // A TemplateProcessing of a lone text and of two, in words like "cls A sep".
  result<std::string> templates(std::string_view single, std::string_view pair) const {
    std::string tokens;
    std::set<std::string> listed;
    const auto pieces = [&](std::string_view words) -> result<std::string> {
      std::string out = "[";
      while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        auto word = words.substr(0, end);
        words.remove_prefix(std::min(end + 1, words.size()));
        char type = '0';
        if (word.ends_with(":1")) {
          type = '1';
          word.remove_suffix(2);
        }
        if (out.size() > 1) out += ',';
        if (word == "A" || word == "B") {
          out += R"({"Sequence":{"id":")" + std::string(word) + R"(","type_id":)" + type + "}}";
          continue;
        }
        const auto& text = word == "cls"   ? settings_.cls
                           : word == "sep" ? settings_.sep
                           : word == "bos" ? settings_.bos
                                           : settings_.eos;
        const auto token = token_and_id(text, (std::string(word) + "_token").c_str());
        if (!token) return tl::unexpected(token.error());
        const auto name = json_quoted(text);
        out += R"({"SpecialToken":{"id":)" + name + R"(,"type_id":)" + type + "}}";
        if (listed.insert(text).second) {
          if (!tokens.empty()) tokens += ',';
          tokens.append(name).append(R"(:{"id":)").append(name).append(R"(,"ids":[)");
          tokens.append(*token, name.size() + 2, token->size() - name.size() - 3);
          tokens.append(R"(],"tokens":[)").append(name).append("]}");
        }
      }
      return out + ']';
    };
    auto one = pieces(single);
    if (!one) return one;
    auto two = pieces(pair);
    if (!two) return two;
    return R"({"type":"TemplateProcessing","single":)" + *one + R"(,"pair":)" + *two + R"(,"special_tokens":{)" +
           tokens + "}}";
  }

  // tokenizer.json's own frame, where the class keeps it.
  result<bool> frame_of_json() {
    const auto given = json_ ? member(json_->root(), "post_processor") : std::nullopt;
    if (!given) return false;
    library_checks checks(*json_);
    if (auto ok = checks.post_processor(*given, {"post_processor"}); !ok) return tl::unexpected(ok.error());
    largest_id_ = checks.largest_frame_id();
    if (auto ok = library_.frame(json_->written({"post_processor"})); !ok) return refuse(ok.error().message);
    return true;
  }

  const fs::path& folder_;
  const std::shared_ptr<const model_json>& json_;
  const tokenizer_settings& settings_;
  library_handle& library_;
  std::int32_t largest_id_ = -1;
};

}  // namespace

result<std::int32_t> put_class_frame(const fs::path& folder, const std::shared_ptr<const model_json>& json,
                                     const tokenizer_settings& settings, library_handle& library) {
  frame_builder builder(folder, json, settings, library);
  if (auto ok = builder.put_frame(); !ok) return tl::unexpected(ok.error());
  return builder.largest_id();
}

}  // namespace troupe::inference
