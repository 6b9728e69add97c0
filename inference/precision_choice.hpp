#pragma once
// Which precision a model computes in, where `auto` leaves it open: the fastest that agrees with fp32, by figures
// measured with the model itself on this CPU. Kept for the artifact, so that vectors that users store never change
// precision by themselves. Pure, but for the file.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"

namespace troupe::inference {

struct precision_choice {
  precision chosen = precision::fp32;
  std::string cpu_model;                    // that it was measured on (inference/calibration.hpp)
  bool named = false;                       // the registry or the settings chose
  std::vector<precision_figures> measured;  // fp32 among them; empty: there was nothing to choose from
  bool vectors = false;                     // users store what the model answers
};

// What is known of a load before weights are read.
struct precision_question {
  precision asked = precision::automatic;  // by the registry, else by the settings; automatic: it is open
  std::vector<precision> candidates;       // whose products are faster than fp32's on this CPU
  double tolerance = 0;                    // 0: nothing is compared
  bool int8_computed = true;               // this CPU has the kernel, and the model products
  bool vectors = false;                    // as above
  std::string cpu_model;
};

struct precision_plan {
  std::vector<precision> to_load;           // several, fp32 first: they are to be measured
  std::vector<precision_figures> measured;  // before
  bool to_keep = false;                     // of one: it is the artifact's choice from now on
};

// `kept`: what was chosen before. Vectors are stored and compared with later ones: under `auto` they stay in what was
// chosen for them, whatever is faster on this CPU, also where there was nothing to choose from. unprocessable: a
// precision that this CPU does not compute, or, with the figures, one that was asked for and differs too much.
result<precision_plan> plan_precisions(const precision_question& asked, const std::optional<precision_choice>& kept);

// What is kept once `made` was measured: the figures of a precision that was named for a while do not take the place of
// what vectors were in before.
precision_choice choice_after(const std::optional<precision_choice>& before, precision_choice made);

// All of these were measured.
bool covers(const precision_choice& choice, const std::vector<precision>& all);

// The fastest whose difference is within the tolerance; another than fp32 only where it is faster by a twentieth.
// REQUIRES fp32 among them.
precision choose_precision(const std::vector<precision_figures>& measured, double tolerance);

// unprocessable, with the figures: a precision that was asked for and differs by more than the tolerance.
result<void> check_precision(precision asked, const std::vector<precision_figures>& measured, double tolerance);

// Null: nothing is kept, or nothing that can be read.
std::optional<precision_choice> read_choice(const std::filesystem::path& file);
// Where it cannot be kept it is measured again at the next load.
void keep_choice(const std::filesystem::path& file, const precision_choice& choice);

}  // namespace troupe::inference
