#pragma once
// Sentences one after another, for answers that tell several as one text. Pure; UTF-8.

#include <string>
#include <string_view>

namespace troupe::http {

// What stands between two texts: Latin words are apart, Chinese characters and their marks are not.
std::string_view between(std::string_view before, std::string_view after) noexcept;

// The sentence without the blanks around it, after what was said before.
void append_sentence(std::string& to, std::string_view sentence);

}  // namespace troupe::http
