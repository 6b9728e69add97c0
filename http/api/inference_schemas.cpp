#include "http/api/inference_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema count(const char* least) { return s::integer().with("minimum", least); }

schema number() { return s::number().nullable().says("null where it is not finite"); }

schema vector() { return s::any_of({s::list(number()), s::text().says("Base64 of float32, little-endian")}); }

schema tensors() {
  return s::map(s::object({{"data", s::anything().says("Numbers, nested or flat")},
                           s::maybe("shape", s::list(count("0"))),
                           s::maybe("datatype", s::text().says("\"float32\", \"FP32\", .."))}));
}

}  // namespace

std::vector<schema::field> parameter_fields() {
  const auto texts = s::any_of({s::list(s::text()), s::text()});
  const auto none = s::anything().with("type", R"("null")");
  const auto maybe = [](const char* name, const schema& is, const char* what) {
    return s::maybe(name, is.nullable().says(what));
  };
  const auto maybe_any = [&](const char* name, const schema& is, const char* what) {
    return s::maybe(name, s::any_of({is, none}).says(what));
  };
  return {maybe("top_k", count("1"), "text-classification, fill-mask: the best ones only"),
          maybe_any("function_to_apply", s::one_of({"softmax", "sigmoid", "none"}), "text-classification"),
          maybe_any("aggregation_strategy", s::one_of({"none", "simple", "first", "average", "max"}),
                    "token-classification; default: simple"),
          maybe_any("ignore_labels", texts, "token-classification; default: O"),
          maybe("stride", count("0"), "token-classification: tokens that the windows of a long text share"),
          maybe("normalize", s::flag(), "feature-extraction: to a length of 1; default: the checkpoint's own"),
          maybe("truncate", s::flag(), "false: a text that is too long is refused with 422"),
          maybe("truncation_direction", s::text().matching("^([Ll][Ee][Ff][Tt]|[Rr][Ii][Gg][Hh][Tt])$"),
                "left or right: where a text that is too long is cut"),
          maybe("prompt_name", s::text(), "feature-extraction: one of the checkpoint's prompts"),
          maybe("dimensions", count("1"), "feature-extraction: the first so many numbers, normalized again"),
          maybe("encoding_format", s::text().matching("^([Ff][Ll][Oo][Aa][Tt]|[Bb][Aa][Ss][Ee]64)$"),
                "feature-extraction: float or base64"),
          maybe("raw_scores", s::flag(), "text-ranking: without the sigmoid"),
          maybe("return_text", s::flag(), "text-ranking: each text beside its score"),
          maybe_any("targets", texts, "fill-mask: the only candidates"),
          maybe_any("candidate_labels", texts, "zero-shot-classification: a list, or one text with commas"),
          maybe("hypothesis_template", s::text().matching("\\\\{\\\\}"), "zero-shot-classification: a text with {}"),
          maybe("multi_label", s::flag(), "zero-shot-classification: each label for itself"),
          maybe_any("outputs", texts, "tensors: the names of those that are wanted")};
}

schema inference_schema() {
  const auto document = s::any_of({s::text(), s::object({{"text", s::text()}})});
  const auto texts_to_rank = s::list(s::anything()).says("Texts, or objects with one; what is neither fails alone");
  const auto pair = s::object({{"text", s::text()}, s::maybe("text_pair", s::text().nullable())});
  const auto inputs = s::any_of({s::text(), s::list(s::anything()).with("minItems", "1"), pair,
                                 s::object({{"source_sentence", s::text()}, {"sentences", s::list(document)}}),
                                 s::object({{"query", s::text()}, {"texts", texts_to_rank}}), tensors()});
  auto fields = parameter_fields();
  const auto parameters = s::any_of({s::object(fields), s::anything().with("type", R"("null")")});
  const auto options = s::any_of(
      {s::object({s::maybe("use_cache", s::flag().nullable()), s::maybe("wait_for_model", s::flag().nullable())}),
       s::anything().with("type", R"("null")")});
  fields.insert(fields.begin(),
                {{"inputs", inputs.says("One input or a list; its form tells the task")},
                 s::maybe("parameters", parameters.says("Of the task; may stand beside the inputs, too")),
                 s::maybe("options", options.says("use_cache: false has the model asked in any case"))});
  return s::object(fields).with("examples",
                                R"([{"inputs": "I like you. I love you"},)"
                                R"( {"inputs": "It works", "parameters": {"candidate_labels": ["good", "bad"]}},)"
                                R"( {"inputs": {"query": "what is troupe", "texts": ["a server", "a fish"]}}])");
}

schema inference_answer_schema() {
  const auto problem = s::object({{"error", s::text()}, {"code", s::text()}, s::maybe("detail", s::text())});
  const auto classes = s::list(s::object({{"label", s::text()}, {"score", number()}}));
  const auto entities = s::list(s::object({s::maybe("entity_group", s::text()),
                                           s::maybe("entity", s::text()),
                                           s::maybe("index", s::integer()),
                                           {"score", number()},
                                           {"word", s::text()},
                                           {"start", s::integer()},
                                           {"end", s::integer()}}));
  const auto candidates = s::list(
      s::object({{"sequence", s::text()}, {"score", number()}, {"token", s::integer()}, {"token_str", s::text()}}));
  const auto ranked = s::list(
      s::any_of({s::object({{"index", s::integer()}, {"score", number()}, s::maybe("text", s::text())}), problem}));
  const auto piece = s::object({{"text", s::text()}}).says("Of a model that steps: a list of them");
  const auto voice =
      s::object({{"segments", s::list(s::object({{"start", number()}, {"end", number()}})).says("Of speech, in s")}});
  const auto nothing = s::anything().with("type", R"("null")");
  const auto one = s::any_of({classes, entities, candidates, s::list(candidates), vector(), ranked, tensors(), piece,
                              voice, nothing, problem});
  return s::any_of({one, s::list(s::any_of({one, number()}))});
}

}  // namespace troupe::http
