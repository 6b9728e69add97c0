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
  std::vector<precision_figures> measured;  // fp32 among them
};

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
