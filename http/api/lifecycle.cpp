// Document 003: the lifecycle of speech models. The same actors as document 001's: what is loaded, its memory and its
// counts are the same everywhere.

#include <algorithm>
#include <chrono>
#include <mutex>

#include "config/machine.hpp"
#include "http/api/answer_with.hpp"
#include "http/api/families.hpp"
#include "http/api/lifecycle_input.hpp"
#include "http/api/lifecycle_json.hpp"
#include "http/api/lifecycle_schemas.hpp"
#include "http/api/predict_schemas.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using model_names = std::vector<std::string>;

// What several models answer to one action, in order. `done` is called once, on any thread, when the last has answered.
template <class T>
class gathering {
 public:
  using done_function = std::function<void(std::vector<answer_of<T>>)>;

  // `ask` is called for each name with its model's reply.
  static void run(const model_names& names, const std::function<void(const std::string&, actors::one_shot<T>)>& ask,
                  done_function done) {
    if (names.empty()) return done({});
    const auto all = std::make_shared<gathering>(names, std::move(done));
    for (std::size_t i = 0; i < names.size(); ++i) {
      ask(names[i], actors::one_shot<T>([all, i](result<T> answer) { all->put(i, std::move(answer)); }));
    }
  }

  gathering(const model_names& names, done_function done) : left_(names.size()), done_(std::move(done)) {
    for (const auto& name : names) answers_.push_back({name, fail(error_code::internal, "no answer")});
  }

 private:
  void put(std::size_t i, result<T> answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_[i].is = std::move(answer);
      if (--left_ != 0) return;
    }
    done_(std::move(answers_));
  }

  std::mutex mutex_;
  std::vector<answer_of<T>> answers_;
  std::size_t left_;
  const done_function done_;
};

model_names speech_models(const actors::server_report& server,
                          const std::function<bool(const actors::model_report&)>& wanted) {
  model_names out;
  for (const auto& m : server.models) {
    if (is_speech_model(m) && wanted(m)) out.push_back(m.registration.name);
  }
  return out;
}

model_names available(const actors::server_report& server) {
  return speech_models(server, [](const auto& m) { return m.registration.enabled; });
}

error does_not_exist(const actors::server_report& server, const std::string& asked) {
  error out{error_code::model_not_found, "The requested model " + in_quotes(shown(asked)) + " does not exist", {}, {}};
  const auto other = std::find_if(server.models.begin(), server.models.end(),
                                  [&](const auto& m) { return m.registration.name == asked; });
  if (other != server.models.end()) out.message += " here: it is no speech model";
  if (asked == all_models) out.message = "No speech model is registered";
  return out;
}

// Calls `go` on the connection's thread with what is registered, and answers what goes wrong on the way there.
void with_report(const context& c, const exchange_ptr& request,
                 const std::function<void(const actors::server_report&)>& go) {
  c.service.report(actors::one_shot<actors::server_report>([request, go](result<actors::server_report> r) {
    const auto report = std::make_shared<result<actors::server_report>>(std::move(r));
    on_connection(request, [request, go, report] {
      if (!*report) return request->fail((*report).error());
      go(**report);
    });
  }));
}

// The models that an action on `asked` is for; none: the request is answered with 404.
model_names models_for(const exchange_ptr& request, const actors::server_report& server, const std::string& asked,
                       const model_names& of_all) {
  if (asked == all_models && !of_all.empty()) return of_all;
  const auto known = speech_models(server, [&](const auto& m) { return m.registration.name == asked; });
  if (known.empty()) {
    request->respond(lifecycle_not_found(does_not_exist(server, asked), available(server), request->request_id()));
  }
  return known;
}

// -- the routes -----------------------------------------------------------------------------------------------

machine_facts look_at_machine() {
  return {std::min(config::machine_memory_bytes(), config::cgroup_memory_limit_bytes()),
          config::available_memory_bytes(), config::usable_cores()};
}

void answer_info(const context& c, const exchange_ptr& request, const route_parameters&) {
  const auto asked = read_lifecycle_question(*request, c.settings);
  if (!asked) return request->fail(asked.error());
  c.service.artifacts().list(
      actors::one_shot<actors::store_report>([c, request, asked = *asked](result<actors::store_report> listed) {
        const auto store = std::make_shared<result<actors::store_report>>(std::move(listed));
        with_report(c, request, [request, asked, store](const actors::server_report& server) {
          response out;
          out.body = lifecycle_info_json(server, *store ? &**store : nullptr, look_at_machine(), asked);
          request->respond(std::move(out));
        });
      }));
}

void start_loads(const context& c, const exchange_ptr& request, const lifecycle_load& asked, const model_names& names) {
  gathering<actors::load_start>::run(
      names,
      [&](const std::string& model, actors::one_shot<actors::load_start> reply) {
        c.service.begin_load(model, asked.force_reload, std::move(reply));
      },
      [request, asked](std::vector<answer_of<actors::load_start>> answers) {
        on_connection(request, [request, asked, answers = std::move(answers)] {
          request->respond(lifecycle_started(asked.model_type, answers, request->request_id()));
        });
      });
}

void wait_for_loads(const context& c, const exchange_ptr& request, const lifecycle_load& asked,
                    const model_names& names) {
  gathering<actors::load_report>::run(
      names,
      [&](const std::string& model, actors::one_shot<actors::load_report> reply) {
        if (asked.force_reload) return c.service.reload(model, asked.wait_ms, std::move(reply));
        c.service.load(model, asked.wait_ms, std::move(reply));
      },
      [c, request, asked](std::vector<answer_of<actors::load_report>> answers) {
        for (auto& a : answers) {  // the registry's word for its version wins, as in /model/info
          const auto entry = c.service.registration(a.model);
          if (a.is && entry && !entry->version.empty()) a.is->version = entry->version;
        }
        on_connection(request, [request, asked, answers = std::move(answers)] {
          request->respond(lifecycle_loaded(asked.model_type, answers, request->request_id()));
        });
      });
}

void post_load(const context& c, const exchange_ptr& request, const route_parameters&) {
  const auto asked = read_lifecycle_load(*request, c.settings);
  if (!asked) return request->fail(asked.error());
  with_report(c, request, [c, request, asked = *asked](const actors::server_report& server) {
    const auto names = models_for(request, server, asked.model_type, available(server));
    if (names.empty()) return;
    asked.async_load ? start_loads(c, request, asked, names) : wait_for_loads(c, request, asked, names);
  });
}

void tell_unloaded(const context& c, const exchange_ptr& request, const std::string& asked,
                   std::vector<answer_of<timed_unload>> answers) {
  const auto shared = std::make_shared<std::vector<answer_of<timed_unload>>>(std::move(answers));
  with_report(c, request, [request, asked, shared](const actors::server_report& after) {
    const auto remaining = speech_models(after, [](const auto& m) { return m.state == actors::residency::resident; });
    request->respond(lifecycle_unloaded(asked, *shared, remaining, request->request_id()));
  });
}

void unload(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  with_report(c, request, [c, request, asked = in_path["model_name"]](const actors::server_report& server) {
    const auto here = speech_models(server, [](const auto& m) {
      return m.loading || m.state == actors::residency::resident || m.state == actors::residency::draining;
    });
    const bool nothing = asked == all_models && here.empty();
    const auto names = nothing ? model_names() : models_for(request, server, asked, here);
    if (names.empty() && !nothing) return;
    gathering<timed_unload>::run(
        names,
        [&](const std::string& model, actors::one_shot<timed_unload> reply) {
          const auto tell = std::make_shared<actors::one_shot<timed_unload>>(std::move(reply));
          const auto begun = steady_clock::now();
          c.service.unload(model,
                           actors::one_shot<actors::unload_report>([tell, begun](result<actors::unload_report> r) {
                             if (!r) return (*tell)(tl::unexpected(r.error()));
                             const std::chrono::duration<double, std::milli> took = steady_clock::now() - begun;
                             (*tell)(timed_unload{std::move(*r), took.count()});
                           }));
        },
        [c, request, asked](std::vector<answer_of<timed_unload>> answers) {
          tell_unloaded(c, request, asked, std::move(answers));
        });
  });
}

}  // namespace

std::vector<route> lifecycle_routes() {
  family about{"speech lifecycle", "Document 003: speech models are loaded, unloaded and looked at"};
  about.write_error = lifecycle_error;
  about.error_name = "LifecycleError";
  about.error_is = lifecycle_error_schema();
  family_routes add(std::move(about));
  const auto describes = [](family_routes::row row) {
    row.says("The speech models, the machine, and what is kept on the disk")
        .takes("detailed", query_flag_schema(), "Adds `model_info` to each model")
        .takes("include_metrics", query_flag_schema(), "Adds `metrics`, and `uptime_hours` of what is loaded")
        .answers(200, "Models by name", as_json(lifecycle_info_schema()));
  };
  describes(add.get("/model/info", answer_info));
  auto asks = add.post("/model/info", answer_info);
  asks.body("The same, in JSON; wins over the query", as_json(lifecycle_question_schema()))
      .fails(415, "Not JSON, or an encoded body");
  describes(asks);
  add.post("/model/load", post_load)
      .says("Loads a speech model, or all; answers at once, or when it is there")
      .needs_body("Which one, and how", as_json(lifecycle_load_request_schema()))
      .answers(200, "It is loading, or loaded",
               as_json(schema::any_of({lifecycle_started_schema(), lifecycle_loaded_schema()})))
      .fails(404, "No such speech model; `available_models` names those that there are")
      .fails(409, "It is disabled, or the load was called off by an unload")
      .fails(415, "Not JSON, or an encoded body")
      .fails(422, "The artifact cannot be served")
      .fails(504, "It still loads, and goes on");
  for (const char* method : {"DELETE", "POST"}) {
    add.add(method, "/model/unload/{model_name}", unload)
        .says("Takes a speech model, or `all`, out of memory; answers when the memory is back")
        .answers(200, "It is not in memory", as_json(lifecycle_unloaded_schema()))
        .fails(404, "No such speech model; `available_models` names those that there are")
        .fails(504, "It still runs, and leaves when that ends");
  }
  return add.take();
}

}  // namespace troupe::http
