#pragma once
// Sentences one after another, for protocols that tell several as one text. Pure.

#include <string>
#include <string_view>

namespace troupe::http {

// What is said after what was said before: with a blank between where both are written with blanks.
void append_sentence(std::string& to, std::string_view sentence);

}  // namespace troupe::http
