#include "tests/http/fakes.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "http/json/text.hpp"

namespace troupe::http::tests {

std::vector<event> events_of(const std::string& written) {
  std::vector<event> out;
  for (std::size_t at = 0; at < written.size();) {
    const auto end = written.find("\n\n", at);
    if (end == std::string::npos) break;
    event e;
    for (std::string block = written.substr(at, end - at) + "\n"; !block.empty();) {
      const auto line = block.substr(0, block.find('\n'));
      block.erase(0, line.size() + 1);
      if (line.starts_with("event: ")) e.name = line.substr(7);
      if (line.starts_with("data: ")) e.data = line.substr(6);
    }
    if (!e.data.empty()) out.push_back(e);
    at = end + 2;
  }
  return out;
}

std::optional<std::string_view> fake_exchange::header(std::string_view name) const {
  for (const auto& [key, value] : headers_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

std::shared_ptr<body_stream> fake_exchange::start_stream(unsigned status, std::string type, header_list headers) {
  EXPECT_EQ(status, 200u);
  streaming = true;
  stream_type = std::move(type);
  stream_headers = std::move(headers);
  return stream;
}

std::string fake_exchange::header_of_answer(std::string_view name) const {
  if (answer) {
    for (const auto& [key, value] : answer->headers) {
      if (equal_ignoring_case(key, name)) return value;
    }
  }
  return {};
}

fake_service::fake_service() {
  for (const char* name : {"alpha", "beta", "org/gamma", "tensors"}) {
    auto m = std::make_shared<config::registered_model>();
    m->name = name;
    m->source = "huggingface";
    m->task = "text-classification";
    models[name] = m;
    actors::model_report r;
    r.registration = *m;
    now.models.push_back(r);
  }
  models["tensors"]->inputs = {{"x", config::dtype::f32, {2}}};
  models["tensors"]->task = "tensor";
  auto& alpha = now.models[0];
  alpha.state = actors::residency::resident;
  alpha.priority = config::priority::high;
  alpha.memory_bytes = alpha.artifact_bytes = 3 << 20;
  alpha.last_accessed = alpha.loaded_at = std::chrono::system_clock::time_point(std::chrono::seconds(1704067200));
  alpha.load_time_s = 0.25;
  alpha.warmup_time_s = 0.5;
  alpha.warmup_completed = true;
  alpha.info = classifier_info();
  alpha.counts = {10, 9, 1, 8, 0, 2, 1.5};
  now.totals = alpha.counts;
  now.memory.used_bytes = 3 << 20;
  now.memory.total_bytes = 4096ull << 20;
  now.memory.budget_bytes = 3276ull << 20;
  now.cleanups = {2, 5 << 20, 3, std::chrono::system_clock::time_point(std::chrono::seconds(1704067200))};
  now.uptime_s = 12.5;
  now.state = actors::health::healthy;
  now.ready = true;
  now.compute_slots = 2;
}

inference::model_info fake_service::classifier_info() {
  inference::model_info info;
  info.architecture = "BertForSequenceClassification";
  info.precision = "fp32";
  info.device = "cpu";
  info.labels = {"prompt_injection", "jailbreak", "system_extraction", "code_injection", "benign"};
  info.max_length = 128;
  return info;
}

actors::item_result fake_service::classified(std::uint32_t index) {
  return {.index = index,
          .value = inference::label_scores{{0.95f, 0.03f, 0.01f, 0.01f, 0.0f}},
          .timing = {.prepare_us = 40, .queue_us = 1200, .infer_us = 3004}};
}

actors::cancel_handle fake_service::predict(actors::predict_request request,
                                            std::unique_ptr<actors::reply_stream> reply) {
  predicted.push_back(request);
  auto j = std::make_shared<actors::job>(request.model, static_cast<std::uint32_t>(request.inputs.size()),
                                         config::priority::medium, no_deadline, std::move(reply));
  j->resident_at_arrival = request.model == "alpha";
  last_job = j;
  if (on_predict) {
    on_predict(j, request);
  } else {
    j->begin(classifier_info());
    for (std::uint32_t i = 0; i < request.inputs.size(); ++i) j->write(classified(i));
  }
  return actors::cancel_handle(j);
}

actors::cancel_handle fake_service::tokenize(actors::tokenize_request request,
                                             actors::one_shot<actors::tokenized_texts> reply) {
  tokenized.push_back(request);
  if (problem) {
    reply(tl::unexpected(*problem));
    return {};
  }
  actors::tokenized_texts out;
  for (const auto& text : request.texts) {
    auto& tokens = out.emplace_back();
    if (request.options.special_tokens) tokens.push_back({101, "[CLS]", true, {}, {}});
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find(' ', at), text.size());
      tokens.push_back({static_cast<std::int32_t>(tokens.size()), text.substr(at, end - at), false,
                        static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)});
      at = end + 1;
    }
  }
  reply(std::move(out));
  return {};
}
actors::cancel_handle fake_service::decode(actors::decode_request request,
                                           actors::one_shot<actors::decoded_texts> reply) {
  decoded.push_back(request);
  if (problem) {
    reply(tl::unexpected(*problem));
    return {};
  }
  actors::decoded_texts out;
  for (const auto& ids : request.ids) {
    auto& text = out.emplace_back();
    for (const auto id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  }
  reply(std::move(out));
  return {};
}

void fake_service::load(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::load_report> reply) {
  calls.push_back(called = "load " + model + " " + std::to_string(wait_ms));
  if (drop_reply) return;
  if (problem) return reply(tl::unexpected(*problem));
  if (refuses.contains(model)) return reply(tl::unexpected(refuses.at(model)));
  reply(actors::load_report{model, already, 0.25, 3 << 20, "f00d"});
}
void fake_service::reload(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::load_report> reply) {
  load(model, wait_ms, std::move(reply));
  calls.back() = called = "re" + called;
}
void fake_service::begin_load(std::string model, bool again, actors::one_shot<actors::load_start> reply) {
  calls.push_back(called = "begin_load " + model + (again ? " again" : ""));
  if (problem) return reply(tl::unexpected(*problem));
  if (refuses.contains(model)) return reply(tl::unexpected(refuses.at(model)));
  reply(actors::load_start{model, "load_" + std::to_string(calls.size()), already, already ? 0 : 0.5});
}
void fake_service::optimize(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::optimize_report> reply) {
  called = "optimize " + model + " " + std::to_string(wait_ms);
  if (problem) return reply(tl::unexpected(*problem));
  reply(actors::optimize_report{
      model, 2 << 20, actors::measured_load{0.5, 3 << 20}, actors::measured_load{0.125, 1 << 20}, {}});
}
void fake_service::unload(std::string model, actors::one_shot<actors::unload_report> reply) {
  calls.push_back(called = "unload " + model);
  if (problem) return reply(tl::unexpected(*problem));
  if (refuses.contains(model)) return reply(tl::unexpected(refuses.at(model)));
  for (auto& m : now.models)
    if (m.registration.name == model) m.state = actors::residency::unloaded;
  reply(actors::unload_report{model, already, false, already ? 0u : 3u << 20});
}
void fake_service::warmup(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::warmup_report> reply) {
  called = "warmup " + model + " " + std::to_string(wait_ms);
  if (problem) return reply(tl::unexpected(*problem));
  reply(actors::warmup_report{model, 10, 1.2, 42.5});
}
void fake_service::cleanup(actors::one_shot<actors::cleanup_report> reply) {
  called = "cleanup";
  if (problem) return reply(tl::unexpected(*problem));
  reply(actors::cleanup_report{{"beta"}, 8 << 20, 3 << 20, "memory_threshold_exceeded"});
}
void fake_service::report(actors::one_shot<actors::server_report> reply) {
  if (problem) return reply(tl::unexpected(*problem));
  reply(now);
}
void fake_service::report_model(std::string model, actors::one_shot<actors::model_report> reply) {
  for (const auto& m : now.models) {
    if (m.registration.name == model) return reply(m);
  }
  reply(fail(error_code::model_not_found, "no"));
}
std::shared_ptr<const config::registered_model> fake_service::registration(std::string_view model) const {
  const auto found = models.find(std::string(model));
  return found == models.end() ? nullptr : found->second;
}
void fake_service::for_each_name(const std::function<bool(const std::string&)>& f) const {
  for (const auto& [name, m] : models) {
    if (!f(name)) return;
  }
}

std::shared_ptr<fake_exchange> bench::send(const std::string& method, const std::string& target, std::string body,
                                           std::map<std::string, std::string> headers) {
  if (!handle) {
    const auto usual = make_routes(extra);
    routes = dialect == config::usual_dialect ? usual : in_dialect(*usual, dialect);
    document = std::make_unique<described>(*routes, settings);
    settings.listeners.front().dialect = dialect;
    handle = make_handler(usual, service, settings);
  }
  auto e = std::make_shared<fake_exchange>();
  e->method_ = method;
  e->dialect_ = dialect;
  const auto mark = target.find('?');
  e->path_ = target.substr(0, mark);
  if (mark != std::string::npos) e->query_ = target.substr(mark + 1);
  e->body_ = std::move(body);
  e->headers_ = std::move(headers);
  handle(e);
  return e;
}

std::shared_ptr<fake_exchange> bench::ask(const std::string& method, const std::string& target, std::string body,
                                          std::map<std::string, std::string> headers) {
  auto e = send(method, target, std::move(body), std::move(headers));
  e->pump();
  EXPECT_TRUE(e->answer.has_value()) << method << " " << target;
  EXPECT_EQ(e->answers, 1);
  if (!e->answer) e->answer = response{};
  // What a fake service is told to fail with need not be what the route can.
  if (const auto found = routes->match(e->method_, e->path_); found && !service.problem) {
    const auto& of = routes->routes()[found->index];
    if (!of.answers.empty()) {
      EXPECT_EQ(document->fault(of, e->answer->status, e->answer->content_type, e->answer->body), "") << target;
    }
  }
  return e;
}

rapidjson::Document parse(const std::string& json) {
  rapidjson::Document out;
  out.Parse<rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
  EXPECT_FALSE(out.HasParseError()) << json;
  return out;
}

rapidjson::Document expect_error(const fake_exchange& e, unsigned status, const std::string& code) {
  rapidjson::Document out;
  out.SetObject();
  EXPECT_TRUE(e.answer.has_value());
  if (!e.answer) return out;
  EXPECT_EQ(e.answer->status, status) << e.answer->body;
  out = parse(e.answer->body);
  if (!out.IsObject()) return out;
  for (const char* key : {"status", "error", "message", "code", "error_code", "detail", "details", "timestamp"}) {
    EXPECT_TRUE(out.HasMember(key) && out[key].IsString()) << key << " in " << e.answer->body;
  }
  EXPECT_STREQ(out["status"].GetString(), "error");
  EXPECT_FALSE(out["success"].GetBool());
  EXPECT_EQ(out["code"].GetString(), code);
  EXPECT_STREQ(out["code"].GetString(), out["error_code"].GetString());
  EXPECT_GT(std::strlen(out["error"].GetString()), 3u);
  EXPECT_LT(e.answer->body.size(), 8192u);
  return out;
}

void expect_shape(const rapidjson::Value& documented, const rapidjson::Value& real, const std::string& at) {
  if (documented.IsObject()) {
    ASSERT_TRUE(real.IsObject()) << at;
    const bool any_name = at.ends_with("/models") || at.ends_with("/probabilities");
    if (any_name) {
      ASSERT_GT(real.MemberCount(), 0u) << at;
      for (const auto& m : real.GetObject()) {
        expect_shape(documented.MemberBegin()->value, m.value, at + "/" + m.name.GetString());
      }
      return;
    }
    for (const auto& m : documented.GetObject()) {
      ASSERT_TRUE(real.HasMember(m.name)) << at << "/" << m.name.GetString() << " is missing";
      expect_shape(m.value, real[m.name], at + "/" + m.name.GetString());
    }
  } else if (documented.IsArray()) {
    EXPECT_TRUE(real.IsArray()) << at;
  } else if (documented.IsBool()) {
    EXPECT_TRUE(real.IsBool()) << at;
  } else if (documented.IsNumber()) {
    EXPECT_TRUE(real.IsNumber()) << at;
  } else if (documented.IsString()) {
    const bool may_be_null = at.ends_with("last_accessed") || at.ends_with("loaded_at") || at.ends_with("last_cleanup");
    EXPECT_TRUE(real.IsString() || (may_be_null && real.IsNull())) << at;
    if (at.ends_with("timestamp") && real.IsString()) {
      EXPECT_EQ(real.GetStringLength(), 20u) << at;
      EXPECT_EQ(real.GetString()[19], 'Z') << at;
    }
  }
}

template <class T>
void fake_catalog::answer(std::string what, const T& value, actors::one_shot<T>& reply) {
  called = std::move(what);
  if (problem) return reply(tl::unexpected(*problem));
  reply(value);
}

void fake_catalog::ask(actors::catalog_question question, actors::one_shot<actors::catalog_answer> reply) {
  asked.push_back(std::move(question));
  answer("ask", answer_now, reply);
}
void fake_catalog::warm(actors::one_shot<actors::warm_report> reply) { answer("warm", warmed, reply); }
void fake_catalog::clear(std::string gateway, actors::one_shot<actors::clear_report> reply) {
  answer("clear " + gateway, actors::clear_report{gateway, true}, reply);
}
void fake_catalog::sync(std::string provider, actors::one_shot<actors::sync_report> reply) {
  answer("sync " + provider, synced, reply);
}
void fake_catalog::edit(actors::offer_edit change, actors::one_shot<actors::edit_report> reply) {
  edits.push_back(change);
  answer("edit " + change.id, actors::edit_report{change.id, {"openrouter"}, true}, reply);
}
void fake_catalog::take_out(std::string id, std::string provider, actors::one_shot<actors::edit_report> reply) {
  answer("take_out " + id + " " + provider, actors::edit_report{id, {"openrouter"}, true}, reply);
}

template <class T>
void fake_artifacts::answer(std::string what, const T& value, actors::one_shot<T>& reply) {
  called = std::move(what);
  problem ? reply(tl::unexpected(*problem)) : reply(value);
}

void fake_artifacts::download(actors::download_request request, actors::one_shot<actors::download_report> reply) {
  asked = std::move(request);
  answer("download " + asked->pull.name, download_now, reply);
}
void fake_artifacts::download_status(std::string id, actors::one_shot<actors::download_report> reply) {
  answer("status " + id, download_now, reply);
}
void fake_artifacts::watch_download(std::string id, actors::download_watcher tell,
                                    actors::one_shot<actors::download_report> reply) {
  answer("watch " + id, download_now, reply);
  if (!problem && tell(download_now)) watcher = std::move(tell);
}
void fake_artifacts::list(actors::one_shot<actors::store_report> reply) { answer("list", store_now, reply); }
void fake_artifacts::find(std::string model, actors::one_shot<actors::artifact_status> reply) {
  answer("find " + model, status_now, reply);
}
void fake_artifacts::remove(std::string model, actors::one_shot<actors::removal_report> reply) {
  answer("remove " + model, removal, reply);
}
void fake_artifacts::copy(std::string model, std::string to, actors::one_shot<actors::artifact_status> reply) {
  answer("copy " + model + " " + to, status_now, reply);
}
void fake_artifacts::update(std::string model, actors::one_shot<actors::download_report> reply) {
  answer("update " + model, download_now, reply);
}
void fake_artifacts::retry(std::string model, bool force, actors::one_shot<actors::download_report> reply) {
  answer("retry " + model + (force ? " by force" : ""), download_now, reply);
}

const rapidjson::Document& documented_responses(const std::string& document) {
  static std::map<std::string, rapidjson::Document> read;
  auto& out = read[document];
  if (!out.IsObject()) {
    const char* root = std::getenv("TROUPE_SOURCE");
    std::ifstream file(std::string(root ? root : ".") + "/tests/e2e/clients/" + document + "/responses.json");
    out = parse(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return out;
}

}  // namespace troupe::http::tests
