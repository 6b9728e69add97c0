// Documents 000 and 002: artifacts, their downloads, and what manages them.

#include <atomic>

#include "http/api/answer_with.hpp"
#include "http/api/artifact_input.hpp"
#include "http/api/artifact_json.hpp"
#include "http/api/artifact_schemas.hpp"
#include "http/api/families.hpp"
#include "http/core/access.hpp"
#include "http/core/event_stream.hpp"

namespace troupe::http {
namespace {

// As document 002 words them: `status` is "failed", and `error` says less than `message`.
response artifact_error(const error& why, std::string_view request_id, header_list headers) {
  std::string_view text = why.message;
  if (why.code == error_code::model_not_found && why.message.starts_with("Model not found")) {
    text = "Model does not exist";
  } else if (why.message.starts_with("Invalid source.")) {
    text = why.detail;
  }
  return worded_error("failed", text, why, request_id, std::move(headers));
}

void post_download(const context& c, const exchange_ptr& request, const route_parameters&) {
  auto asked = read_download(*request, c.settings, c.service.artifacts().available());
  if (!asked) return request->fail(asked.error());
  c.service.artifacts().download(
      std::move(*asked), answer_with<actors::download_report>(c, request, {}, [c](const actors::download_report& d) {
        response out;
        out.body = started_json(d, c.service.artifacts().available());
        return out;
      }));
}

void get_status(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  c.service.artifacts().download_status(in_path["download_id"],
                                        answer_json<actors::download_report>(c, request, {}, download_status_json));
}

// The stream of one download's events, on the connection's thread; null until the download is known.
using shared_events = std::shared_ptr<std::shared_ptr<event_stream>>;

void show(const shared_events& events, const actors::download_report& d) {
  if (!*events) return;
  const bool ended = actors::has_ended(d.state);
  (*events)->send(ended ? "done" : "progress", download_status_json(d));
  if (ended) (*events)->finish();
}

void get_events(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto events = std::make_shared<std::shared_ptr<event_stream>>();
  request->on_disconnect([gone] { gone->store(true); });
  event_stream::limits bounds;
  bounds.credit_bytes = c.settings.stream_credit_bytes;
  bounds.heartbeat_ms = c.settings.stream_heartbeat_ms;
  c.service.artifacts().watch_download(
      in_path["download_id"],
      [request, gone, events](const actors::download_report& d) {
        if (gone->load()) return false;
        on_connection(request, [events, d] { show(events, d); });
        return true;
      },
      actors::one_shot<actors::download_report>(
          [request, gone, events, bounds](const result<actors::download_report>& first) {
            on_connection(request, [request, gone, events, bounds, first] {
              if (!first) return request->fail(first.error());
              *events = event_stream::start(request, {}, bounds, [gone] { gone->store(true); });
            });
          }));
}

void get_info(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  c.service.artifacts().find(in_path["model_name"],
                             answer_json<actors::artifact_status>(c, request, {}, artifact_info_json));
}

void delete_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  c.service.artifacts().remove(in_path["model_name"],
                               answer_json<actors::removal_report>(c, request, {}, removed_json));
}

void post_copy(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto name = read_copy(*request);
  if (!name) return request->fail(name.error());
  c.service.artifacts().copy(in_path["model_name"], *name,
                             answer_json<actors::artifact_status>(c, request, {}, artifact_info_json));
}

void get_cache_info(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.artifacts().list(answer_json<actors::store_report>(c, request, {}, cache_info_json));
}

void get_available(const context& c, const exchange_ptr& request, const route_parameters&) {
  response out;
  out.body = available_json(c.service.artifacts().available());
  request->respond(std::move(out));
}

void refuse(const exchange_ptr& request, const error& why) {
  on_connection(request, [request, why] { request->fail(why); });
}

void get_managed(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.artifacts().list(actors::one_shot<actors::store_report>([c, request](result<actors::store_report> store) {
    if (!store) return refuse(request, store.error());
    auto shared = std::make_shared<actors::store_report>(std::move(*store));
    c.service.report(answer_with<actors::server_report>(c, request, {}, [shared](const actors::server_report& server) {
      response out;
      out.body = managed_json(*shared, server);
      return out;
    }));
  }));
}

void tell_optimized(const exchange_ptr& request, const actors::artifact_report& before,
                    const actors::optimize_report& did) {
  on_connection(request, [request, body = optimized_json(before, did)]() mutable {
    response out;
    out.body = std::move(body);
    request->respond(std::move(out));
  });
}

// No memory for loads that are only measured: an ordinary load, which may evict others, writes the copy.
void optimize_unmeasured(const context& c, const exchange_ptr& request,
                         const std::shared_ptr<const actors::artifact_report>& before, const error& why) {
  const auto& model = before->stored.name;
  c.service.load(model, c.settings.load_timeout_ms,
                 actors::one_shot<actors::load_report>([c, request, before, why](result<actors::load_report> loaded) {
                   if (!loaded) return refuse(request, loaded.error());
                   c.service.artifacts().find(before->stored.name,
                                              actors::one_shot<actors::artifact_status>(
                                                  [request, before, why](result<actors::artifact_status> after) {
                                                    if (!after) return refuse(request, after.error());
                                                    actors::optimize_report did;
                                                    did.model = before->stored.name;
                                                    if (after->stored) did.copy_bytes = after->stored->ready_bytes;
                                                    did.notes = "not measured: " + why.message;
                                                    tell_optimized(request, *before, did);
                                                  }));
                 }));
}

void optimize_stored(const context& c, const exchange_ptr& request,
                     const std::shared_ptr<const actors::artifact_report>& before) {
  c.service.optimize(
      before->stored.name, c.settings.load_timeout_ms,
      actors::one_shot<actors::optimize_report>([c, request, before](result<actors::optimize_report> did) {
        if (did) return tell_optimized(request, *before, *did);
        if (did.error().code == error_code::insufficient_memory)
          return optimize_unmeasured(c, request, before, did.error());
        refuse(request, did.error());
      }));
}

void optimize(const context& c, const exchange_ptr& request, const std::string& model) {
  c.service.artifacts().find(
      model, actors::one_shot<actors::artifact_status>([c, request, model](result<actors::artifact_status> found) {
        if (!found) return refuse(request, found.error());
        if (!found->stored)
          return refuse(
              request,
              {error_code::conflict, "Model '" + model + "' is not in the cache yet", found->download->message, {}});
        if (found->stored->servable == false)
          return refuse(
              request,
              {error_code::unprocessable, "Model '" + model + "' cannot be served yet", found->stored->reason, {}});
        optimize_stored(c, request, std::make_shared<const actors::artifact_report>(std::move(*found->stored)));
      }));
}

// What comes from this machine's disk, or by the operator's keys, is fetched again by the operator only.
void fetch_again(const context& c, const exchange_ptr& request, const manage_request& asked) {
  c.service.artifacts().find(
      asked.model,
      actors::one_shot<actors::artifact_status>([c, request, asked](const result<actors::artifact_status>& found) {
        on_connection(request, [c, request, asked, found] {
          if (!found) return request->fail(found.error());
          const auto source = found->stored ? found->stored->stored.source : found->download->what.source;
          if (needs_admin(source)) {
            if (const auto denied = check_access(c.settings, guard::admin, *request)) return request->fail(*denied);
          }
          const bool update = asked.action == manage_action::update;
          auto started = answer_with<actors::download_report>(
              c, request, {}, [action = update ? "update" : "retry_download"](const actors::download_report& d) {
                response out;
                out.body = managed_download_json(d, action);
                return out;
              });
          if (update) return c.service.artifacts().update(asked.model, std::move(started));
          c.service.artifacts().retry(asked.model, asked.force_redownload, std::move(started));
        });
      }));
}

void post_manage(const context& c, const exchange_ptr& request, const route_parameters&) {
  const auto asked = read_manage(*request);
  if (!asked) return request->fail(asked.error());
  if (asked->action == manage_action::optimize) return optimize(c, request, asked->model);
  fetch_again(c, request, *asked);
}

}  // namespace

std::vector<route> artifact_routes() {
  using s = schema;
  family about{"artifacts", "Documents 000 and 002: models are pulled by name, kept and managed"};
  about.write_error = artifact_error;
  about.error_name = "ArtifactError";
  about.error_is = error_schema("failed");
  family_routes add(std::move(about));
  add.post("/models/download", post_download)
      .says("Starts to download a model; it is registered and loaded when it is there")
      .needs_body("What is to be downloaded, and its name here", as_json(download_request_schema()))
      .answers(200, "It has started, is under way already, or there is such a model", as_json(started_schema()))
      .fails(401, "Paths of this machine and s3:// need the admin key, or no key was given")
      .fails(403, "It is a wrong one, or none is configured")
      .fails(409, "It is being removed")
      .fails(429, "Too many downloads wait");
  add.get("/models/download/status/{download_id}", get_status)
      .says("How far a download is")
      .answers(200, "Its status", as_json(download_status_schema()))
      .fails(404, "No such download");
  add.get("/models/download/status/{download_id}/events", get_events)
      .says("The same with each change, as server-sent events")
      .answers(200, "`progress` events, then `done`; each with the status as its data",
               {{"text/event-stream", s::anything()}})
      .fails(404, "No such download");
  add.get("/models/download/{model_name}/info", get_info)
      .says("What the cache has of a model, and what its download does")
      .answers(200, "It", as_json(artifact_info_schema()));
  add.post("/models/download/{model_name}/copy", post_copy)
      .says("A second name for a model of the cache; nothing is copied or fetched")
      .needs_body("The name", as_json(schema::object({{"name", s::text()}})))
      .answers(200, "The cache has it under that name, too", as_json(artifact_info_schema()))
      .fails(409, "The name is taken");
  add.add("DELETE", "/models/download/{model_name}", delete_model)
      .says("Removes a model from cache and registry; cancels its download")
      .answers(200, "It is gone", as_json(removed_schema()))
      .fails(409, "It stands in the operator's registry");
  add.get("/models/cache/info", get_cache_info)
      .says("What the cache has, and how much of it")
      .answers(200, "All models of the cache", as_json(cache_info_schema()));
  add.get("/models/available", get_available)
      .says("Models that are known to this server's makers, and can be downloaded")
      .answers(200, "The list", as_json(available_schema()));
  add.get("/models/managed", get_managed)
      .says("Downloaded models, and what of them is in memory")
      .answers(200, "All that is registered", as_json(managed_schema()));
  add.post("/models/manage", post_manage)
      .says("Optimizes a model, fetches it again, or retries its download")
      .takes("action", s::one_of({"optimize", "retry_download", "update"}), "What is to be done")
      .takes("model_name", s::text(), "With which model")
      .takes("force_redownload", s::flag(), "retry_download although the last one did not fail")
      .body("The same, in JSON; wins over the query", as_json(manage_request_schema()))
      .answers(200, "It is done, or a download has started", as_json(manage_schema()))
      .fails(401, "What came from a path of this machine or s3:// is fetched again with the admin key")
      .fails(403, "It is a wrong one, or none is configured")
      .fails(404, "No such model in the cache")
      .fails(409, "There is nothing to retry, or the download is not through")
      .fails(422, "The artifact cannot be served")
      .fails(429, "Another model is being optimized, or too many downloads wait")
      .fails(504, "It is not through yet, and goes on");
  return add.take();
}

}  // namespace troupe::http
