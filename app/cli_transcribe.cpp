// `troupe transcribe`: what is said in recordings. Heard in this process by the models that a server would take, or by
// a server.

#include <fstream>
#include <future>
#include <iostream>
#include <iterator>

#include <CLI/CLI.hpp>

#include "actors/make_service.hpp"
#include "actors/protocol/recordings.hpp"
#include "app/cli_commands.hpp"
#include "app/compose.hpp"
#include "app/interrupts.hpp"
#include "app/recording_text.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

struct transcribe_options {
  std::vector<std::string> files;
  std::string model;  // a registered name, or a folder; empty: as the server chooses
  std::string format = "text";
  std::vector<std::string> hotwords;
  bool no_marks = false;
};

constexpr std::uint64_t file_bytes_max = 4ULL << 30U;

outcome<std::string> read_file(const std::string& name) {
  const auto path = std::filesystem::path(name);
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return failed({error_code::bad_request, name + " is a folder", {}, {}});
  if (const auto size = std::filesystem::file_size(path, ec); !ec && size > file_bytes_max)
    return failed({error_code::payload_too_large, name + " has more than 4 GiB", {}, {}});
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in && !in.eof())
    return failed({error_code::bad_request, name + ": cannot be read", std::generic_category().message(errno), {}});
  return bytes;
}

error about(const std::string& file, error why) {
  why.message = file + ": " + why.message;
  return why;
}

// -- in this process ------------------------------------------------------------------------------------------

// The registry that a server would have, but nothing is loaded before it is asked; a folder that is named is one more
// model of it.
result<config::registry> registry_for(const config::settings& settings, std::string& model) {
  auto registry = known_registry(settings);
  if (!registry) return registry;
  for (auto& [name, entry] : registry->models) entry.preload = false;
  std::error_code ec;
  if (model.empty() || registry->models.contains(model) || !std::filesystem::is_directory(model, ec)) return registry;
  config::registered_model named;
  named.path = std::filesystem::canonical(model, ec);
  named.name = model = "folder:" + named.path.filename().string();
  registry->models[named.name] = std::move(named);
  return registry;
}

// Prints sentences as they are heard where the format allows it.
outcome<void> hear(actors::recording_service& ears, const transcribe_options& o, const std::string& model,
                   const std::string& file) {
  auto bytes = read_file(file);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto held = std::make_shared<const std::string>(std::move(*bytes));
  actors::recording_request asked;
  asked.file = std::as_bytes(std::span(*held));
  asked.holds = held;
  asked.model = model;
  asked.punctuate = !o.no_marks;
  asked.hotwords = o.hotwords;

  struct hearing {
    recording_text text;
    std::promise<std::optional<error>> ended;
  };
  const auto one = std::make_shared<hearing>(hearing{recording_text(o.format), {}});
  const auto cancel = ears.transcribe(std::move(asked), [one](actors::recording_event&& event) {
    if (auto* sentence = std::get_if<actors::recording_sentence>(&event))
      print(one->text.add(std::move(sentence->text)));
    if (std::holds_alternative<actors::recording_ended>(event)) one->ended.set_value(std::nullopt);
    if (auto* wrong = std::get_if<actors::recording_failed>(&event)) one->ended.set_value(std::move(wrong->why));
  });
  auto ended = one->ended.get_future();
  while (ended.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (!interruptible::flag()) continue;
    cancel();
    return tl::unexpected(failure{{error_code::cancelled, "interrupted", {}, {}}, exit_status::interrupted});
  }
  if (auto why = ended.get()) return failed(about(file, std::move(*why)));
  print(one->text.finish());
  return {};
}

outcome<void> transcribe_here(const config::settings& settings, const transcribe_options& o) {
  auto model = o.model;
  auto registry = registry_for(settings, model);
  if (!registry) return tl::unexpected(failure{std::move(registry.error()), exit_status::bad_usage});
  inference::initialise_runtime();
  const interruptible ctrl_c;
  const auto service = actors::make_service(settings, std::move(*registry), choose_compute(settings));
  for (const auto& file : o.files) {
    if (auto done = hear(service->recordings(), o, model, file); !done) return done;
  }
  return {};
}

// -- by a server ----------------------------------------------------------------------------------------------

outcome<void> transcribe_there(server_client server, const transcribe_options& o) {
  auto path = std::string("/transcribe?punctuate=") + (o.no_marks ? "false" : "true");
  if (!o.model.empty()) path += "&model=" + http_call::encoded(o.model);
  if (!o.hotwords.empty()) {
    std::string words;
    for (const auto& w : o.hotwords) words += (words.empty() ? "" : ",") + w;
    path += "&hotwords=" + http_call::encoded(words);
  }
  for (const auto& file : o.files) {
    auto bytes = read_file(file);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto answer = server.post(path, std::move(*bytes), "application/octet-stream");
    if (!answer) return tl::unexpected(failure{about(file, answer.error().why), answer.error().status});
    recording_text text(o.format);
    for (const auto sentence : (*answer)->root["sentences"].get_array()) print(text.add(sentence_of(sentence)));
    print(text.finish());
  }
  return {};
}

outcome<void> run_transcribe(const command_line& line, const transcribe_options& o) {
  if (!line.server.url.empty() && line.server.url != "none") {
    auto server = need_server(line.server);
    if (!server) return tl::unexpected(std::move(server.error()));
    return transcribe_there(std::move(*server), o);
  }
  return with_models_here(line, threads_needed,
                          [&](const config::settings& settings) { return transcribe_here(settings, o); });
}

}  // namespace

void add_transcribe_command(CLI::App& app, command_line& line) {
  const auto o = std::make_shared<transcribe_options>();
  auto* command = app.add_subcommand("transcribe", "what is said in recordings: heard here, or by a server");
  command->add_option("file", o->files, "WAV, FLAC, MP3, Ogg")->required();
  command->add_option("--model", o->model, "registered name, or a folder [as a server chooses]");
  command->add_option("--format", o->format, "text, json (a sentence a line), srt or vtt [text]")
      ->check(CLI::IsMember(recording_text::formats()));
  command->add_option("--hotwords", o->hotwords, "words that are likely, where the model can use them")->delimiter(',');
  command->add_flag("--no-punctuation", o->no_marks, "the words as they are heard");
  add_server_options(*command, line.server);
  add_settings_options(*command, line.settings, line.help_all ? shown_settings::all : shown_settings::of_models);
  command->callback([&line, o] { line.run = reporting([&line, o] { return run_transcribe(line, *o); }); });
}

}  // namespace troupe::app
