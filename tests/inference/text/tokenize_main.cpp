// troupe_tokenize FOLDER COMMAND [NUMBER..]: for tests/parity/fuzz_tokenizers.py. Texts come in on stdin and numbers go
// out on stdout, both as records: a 32-bit length and so many bytes.
//   details                 each text: ids, types, places, words, special
//   ids LENGTH SIDE FIRST   each text: ids and types, at most LENGTH, cut at SIDE (0 right, 1 left)
//   pairs LENGTH SIDE FIRST each two texts; FIRST 1: only the first is cut
//   windows LENGTH STRIDE   each text: all of it, row by row
//   decode SKIP             each text: what its ids are decoded to, then what they join to
//   time COUNT              how long all texts take, COUNT times; to stderr, with and without details

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "inference/text/tokenizer.hpp"

namespace {

using troupe::inference::encode_options;
using troupe::inference::encoding;

std::vector<std::string> read_records() {
  const std::string all{std::istreambuf_iterator<char>(std::cin), {}};
  std::vector<std::string> out;
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::uint32_t size = 0;
    all.copy(reinterpret_cast<char*>(&size), 4, at);
    out.push_back(all.substr(at + 4, size));
    at += 4 + size;
  }
  return out;
}

void write_record(std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::cout.write(reinterpret_cast<const char*>(&size), 4);
  std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Each list with its length before it; a text that is refused is one -1 and the reason's bytes.
class numbers {
 public:
  void add(std::int64_t number) {
    const auto small = static_cast<std::int32_t>(number);
    bytes_.append(reinterpret_cast<const char*>(&small), 4);
  }
  template <class List>
  void add_list(const List& list) {
    add(static_cast<std::int64_t>(list.size()));
    for (const auto one : list) add(one);
  }
  void add_row(const encoding& row) {
    add(row.truncated ? 1 : 0);
    add_list(row.ids);
    add_list(row.types);
    add(static_cast<std::int64_t>(row.places.size() * 2));
    for (const auto& place : row.places) {
      add(place.begin);
      add(place.end);
    }
    add_list(row.words);
    add_list(row.special);
  }
  void refuse(const std::string& why) {
    add(-1);
    bytes_ += why;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

void write_row(const troupe::result<encoding>& row) {
  numbers out;
  if (row)
    out.add_row(*row);
  else
    out.refuse(row.error().message);
  write_record(out.bytes());
}

double seconds(const troupe::inference::tokenizer& t, const std::vector<std::string>& texts, int count,
               const encode_options& options) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i)
    for (const auto& text : texts) (void)t.encode(text, options);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string command = argv[2];
  const auto number = [&](int i) { return argc > i ? static_cast<std::uint32_t>(std::stoul(argv[i])) : 0; };
  const auto start = std::chrono::steady_clock::now();
  const auto loaded = troupe::inference::tokenizer::load(argv[1]);
  if (!loaded) {
    std::cerr << loaded.error().message << '\n' << loaded.error().detail << '\n';
    return 1;
  }
  const auto& t = **loaded;
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto texts = read_records();
  encode_options options;
  if (command == "details") {
    options.details = true;
    for (const auto& text : texts) write_row(t.encode(text, options));
  } else if (command == "ids" || command == "pairs") {
    options = {.length_max = number(3), .cut_left = number(4) == 1, .cut_first_only = number(5) == 1};
    if (command == "ids")
      for (const auto& text : texts) write_row(t.encode(text, options));
    else
      for (std::size_t i = 0; i + 1 < texts.size(); i += 2) write_row(t.encode_pair(texts[i], texts[i + 1], options));
  } else if (command == "windows") {
    options = {.length_max = number(3), .details = true};
    for (const auto& text : texts) {
      const auto rows = t.encode_windows(text, number(4), options);
      numbers out;
      if (!rows) out.refuse(rows.error().message);
      for (std::size_t i = 0; rows && i < rows->size(); ++i) out.add_row((*rows)[i]);
      write_record(out.bytes());
    }
  } else if (command == "decode") {
    for (const auto& text : texts) {
      const auto row = t.encode(text, options);
      const auto decoded = row ? t.decode(row->ids, number(3) == 1, true) : tl::unexpected(row.error());
      const auto joined = row ? t.join(row->ids) : tl::unexpected(row.error());
      write_record(decoded ? *decoded : "refused: " + decoded.error().message);
      write_record(joined ? *joined : "refused: " + joined.error().message);
    }
  } else if (command == "time") {
    const auto memory = t.memory_bytes();
    const double ids = seconds(t, texts, static_cast<int>(number(3)), options);
    const auto twin = std::chrono::steady_clock::now();
    (void)t.make_details();
    const double made = std::chrono::duration<double>(std::chrono::steady_clock::now() - twin).count();
    options.details = true;
    const double details = seconds(t, texts, static_cast<int>(number(3)), options);
    const double all = static_cast<double>(texts.size()) * number(3);
    std::fprintf(stderr, "load %.3f s, %.1f MB; ids %.2f us a text; details made in %.3f s, %.1f MB, %.2f us a text\n",
                 took, static_cast<double>(memory) / 1e6, ids / all * 1e6, made,
                 static_cast<double>(t.memory_bytes()) / 1e6, details / all * 1e6);
  } else {
    return 2;
  }
  return 0;
}
