#pragma once
// Which registered model does what for speech, where a request names none: the settings' word, else the usual name,
// else the first by name that can. Immutable; any thread. Empty names: there is none.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "inference/model/task.hpp"

namespace troupe::actors {

// A registered model, as far as this choice needs it.
struct speech_candidate {
  std::string name;
  std::vector<inference::task> tasks;  // empty: not known before it is loaded
};

class speech_models {
 public:
  // `registered`: every enabled model there is now. `is_fed`: whether a model hears while it is fed (gateway.hpp);
  // asked only where names decide nothing.
  speech_models(const config::settings& settings, std::function<std::vector<speech_candidate>()> registered,
                std::function<bool(const std::string&)> is_fed)
      : settings_(settings), registered_(std::move(registered)), is_fed_(std::move(is_fed)) {}

  std::string live() const;   // hears while it is fed; else any that hears at all, which will refuse by name
  std::string whole() const;  // hears whole sounds: recordings, and the second of two passes
  // That model, or whoever is there if empty, hears whole sounds alone.
  bool hears_whole(const std::string& model) const;
  std::string punctuation() const;     // gives a text its marks
  std::string voice_activity() const;  // tells where in a sound somebody speaks

 private:
  std::string choose(const std::string& named, std::string_view usual, inference::task what,
                     const std::function<bool(const speech_candidate&)>& fits) const;

  const config::settings& settings_;
  const std::function<std::vector<speech_candidate>()> registered_;
  const std::function<bool(const std::string&)> is_fed_;
};

}  // namespace troupe::actors
