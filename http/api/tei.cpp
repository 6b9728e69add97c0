// text-embeddings-inference's routes: under /tei for everybody, at the root where a listener speaks this dialect.
//
// `truncate` that is not given cuts and tells so, although TEI's own server refuses by default: there an operator
// chooses
// (--auto-truncate), and /info says how it is; here api.md has chosen for all doors, and /info says so.

#include "http/api/answer_with.hpp"
#include "http/api/families.hpp"
#include "http/api/inference.hpp"
#include "http/api/tei_json.hpp"
#include "http/api/tei_schemas.hpp"
#include "http/api/text_inputs.hpp"
#include "http/api/whole_answers.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using inference::task;

// A request while it is read.
struct reading {
  reading(const context& c, const exchange_ptr& r) : fields(*r, c.settings), named(fields.text("model")) {}

  void take(std::string_view group, std::initializer_list<std::string_view> names) {
    for (const auto name : names) fields.parameter(std::string(group).append(name), how);
  }

  request_fields fields;
  std::optional<std::string> named;
  form_parameters how;
  std::vector<inference::input> inputs;
};

// The model's name; empty: the request is answered.
std::string model_of(const context& c, const exchange_ptr& request, const reading& read, std::optional<task> wanted) {
  if (const auto& problem = read.fields.problem()) {
    request->respond(tei_error(problem->why, {}, problem->empty_list));
    return {};
  }
  auto model = choose_model(c.service, read.named, wanted);
  if (model) return *model;
  request->respond(tei_error(model.error(), {}));
  return {};
}

void ask(const context& c, const exchange_ptr& request, reading& read, task wanted, input_namer name_of,
         std::function<std::string(const collected&)> write) {
  actors::predict_request asked;
  asked.model = model_of(c, request, read, wanted);
  if (asked.model.empty()) return;
  asked.inputs = std::move(read.inputs);
  asked.asked = {wanted, std::move(read.how.task)};
  collect_whole(c, request, std::move(asked), std::move(name_of), std::move(write));
}

void post_embed(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  read.inputs = read_texts_or_ids(read.fields, "inputs");
  read.take("", {"normalize", "dimensions", "prompt_name", "truncate", "truncation_direction"});
  if (!read.how.task.normalize) read.how.task.normalize = true;  // as TEI's
  ask(c, request, read, task::feature_extraction, numbered("inputs"), tei_embeddings_json);
}

void post_embed_all(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  read.inputs = read_texts_or_ids(read.fields, "inputs");
  read.take("", {"prompt_name", "truncate", "truncation_direction"});
  read.how.task.all_tokens = true;
  ask(c, request, read, task::feature_extraction, numbered("inputs"), tei_token_embeddings_json);
}

void post_similarity(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  read.inputs.emplace_back(read_text(read.fields, "inputs.source_sentence"));
  for (auto& text : read_texts(read.fields, "inputs.sentences", false)) read.inputs.emplace_back(std::move(text));
  read.take("parameters.", {"prompt_name", "truncate", "truncation_direction"});
  const auto name_of = [](std::size_t i) {
    return i == 0 ? "source_sentence" : "sentences[" + std::to_string(i - 1) + "]";
  };
  ask(c, request, read, task::feature_extraction, name_of, tei_similarity_json);
}

void post_rerank(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  const auto query = read_text(read.fields, "query");
  auto texts = read_texts(read.fields, "texts", false);
  read.take("", {"raw_scores", "return_text", "truncate", "truncation_direction"});
  read.inputs = query_pairs(read.fields, query, texts);
  if (!read.how.return_text.value_or(false)) texts.clear();
  ask(c, request, read, task::text_ranking, numbered("texts"),
      [texts = std::move(texts)](const collected& all) { return tei_ranks_json(all, texts); });
}

void post_predict(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  bool list = false;
  std::tie(read.inputs, list) = read_texts_or_pairs(read.fields, "inputs");
  read.take("", {"truncate", "truncation_direction"});
  if (read.fields.flag("raw_scores", false)) read.how.task.function_to_apply = inference::score_function::none;
  ask(c, request, read, task::text_classification, numbered("inputs"),
      [list](const collected& all) { return tei_predictions_json(all, list); });
}

void post_tokenize(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  actors::tokenize_request asked;
  asked.texts = read_text_or_texts(read.fields, "inputs");
  asked.options.special_tokens = read.fields.flag("add_special_tokens", true);
  read.take("", {"prompt_name"});
  asked.options.prompt_name = read.how.task.prompt_name;
  const auto model = asked.model = model_of(c, request, read, std::nullopt);
  if (model.empty()) return;
  const auto cancel =
      c.service.tokenize(std::move(asked), answer_json<actors::tokenized_texts>(c, request, model, tei_tokens_json));
  request->on_disconnect([cancel] { cancel(); });
}

void post_decode(const context& c, const exchange_ptr& request, const route_parameters&) {
  reading read(c, request);
  actors::decode_request asked;
  asked.ids = read_ids_or_lists(read.fields, "ids");
  asked.skip_special = read.fields.flag("skip_special_tokens", true);
  const auto model = asked.model = model_of(c, request, read, std::nullopt);
  if (model.empty()) return;
  const auto cancel =
      c.service.decode(std::move(asked), answer_json<actors::decoded_texts>(c, request, model, tei_texts_json));
  request->on_disconnect([cancel] { cancel(); });
}

void get_info(const context& c, const exchange_ptr& request, const route_parameters&) {
  std::optional<std::string> named;
  const auto parameters = parse_parameters(request->query(), "query");
  if (!parameters) return request->fail(parameters.error());
  for (const auto& [name, value] : *parameters) {
    if (name == "model") named = value;
  }
  const auto model = choose_model(c.service, named, std::nullopt);
  if (!model) return request->fail(model.error());
  c.service.report_model(*model, answer_with<actors::model_report>(c, request, *model, [c](const auto& report) {
    response out;
    out.body = tei_info_json(report, c.settings);
    return out;
  }));
}

void get_health(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_with<actors::server_report>(c, request, {}, [](const actors::server_report& report) {
    response out;
    if (report.state != actors::health::healthy && report.state != actors::health::degraded) {
      out = tei_error({error_code::unavailable, "The server is " + std::string(to_string(report.state)), {}, 1}, {});
    } else {
      out.content_type = "text/plain; charset=utf-8";
    }
    out.headers.emplace_back("Cache-Control", "no-store");
    return out;
  }));
}

void post_root(const context& c, const exchange_ptr& request, const route_parameters&) {
  const auto model = choose_model(c.service, std::nullopt, std::nullopt);
  if (!model) return request->fail(model.error());
  answer_inference(c, request, *model);
}

void add_predictions(family_routes& add, const std::string& under) {
  const auto asks = [&](const char* path, route_handler handler, const char* line, schema takes, schema gives) {
    auto row = add.post(under + path, std::move(handler));
    row.large_body()
        .says(line)
        .needs_body("The inputs: all are good, or none is answered", as_json(std::move(takes)))
        .answers(200, "An answer each, in order", as_json(std::move(gives)));
    return fails_as_whole(row);
  };
  asks("/embed", post_embed, "A vector for each input", tei_embed_request(), tei_embeddings_schema());
  asks("/embed_all", post_embed_all, "A vector for each token of each input", tei_embed_all_request(),
       tei_token_embeddings_schema());
  asks("/similarity", post_similarity, "How alike sentences are to one", tei_similarity_request(),
       tei_similarity_schema());
  asks("/rerank", post_rerank, "How well each text answers a query", tei_rerank_request(), tei_ranks_schema());
  asks("/predict", post_predict, "The labels of each input", tei_predict_request(), tei_predictions_schema());
  asks("/tokenize", post_tokenize, "The tokens of each text; the model does not run", tei_tokenize_request(),
       tei_tokens_schema());
  asks("/decode", post_decode, "The text of token ids; the model does not run", tei_decode_request(),
       tei_texts_schema());
}

std::vector<route> routes_under(const std::string& under) {
  using s = schema;
  family of{"text-embeddings-inference", "TEI's own API: for its clients, and for LangChain's and LlamaIndex's",
            [](const error& why, std::string_view, header_list headers) { return tei_error(why, std::move(headers)); },
            "TEIError", tei_error_schema()};
  family_routes add(std::move(of));
  add_predictions(add, under);
  add.get(under + "/info", get_info)
      .says("What a model is, and what is taken here")
      .takes("model", s::text(), "Default: the server's default model")
      .answers(200, "What is known of it", as_json(tei_info_schema()))
      .fails(404, "The registry does not know the model; the message lists similar names");
  auto health = add.get(under + "/health", get_health)
                    .says("The status alone says it")
                    .answers(200, "Requests are answered", {{"text/plain", s::text()}})
                    .fails(503, "Not now");
  if (!under.empty()) return add.take();
  health.open();
  describe_inference(add.post("/", post_root));
  return add.take();
}

}  // namespace

std::vector<route> tei_routes() { return routes_under("/tei"); }

std::vector<route> tei_dialect_routes() { return routes_under({}); }

}  // namespace troupe::http
