// The artifact store: made once, mapped from then on, never in the way.

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "inference/files/mapped_file.hpp"
#include "inference/files/ready_copies.hpp"
#include "inference/files/weights.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/torch/memory.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

std::vector<fs::path> entries(const fs::path& store) {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator(store)) out.push_back(e.path());
  return out;
}

std::vector<float> answer(const model& m) {
  const auto in = m.prepare("what is this time");
  row r{in->get(), nullptr, {}, false, {}};
  m.make_instance()->step({&r, 1});
  return std::get<label_scores>(r.out).values;
}

class store : public testing::Test {
 protected:
  void SetUp() override {
    initialise_runtime();
    copy_folder(fixtures() / "inference" / "bert" / "gelu", source());
  }
  fs::path source() const { return scratch_.path() / "model"; }
  fs::path folder() const { return scratch_.path() / "store"; }
  fs::path weights() const { return source() / "model.safetensors"; }
  result<std::unique_ptr<const model>> try_load(precision p = precision::fp32, bool stored = true) {
    load_options options;
    if (stored) options.store = folder();
    return load(spec_of(source(), p), options);
  }
  std::unique_ptr<const model> load_it(precision p = precision::fp32, bool stored = true) {
    auto made = try_load(p, stored);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  scratch_folder scratch_;
};

TEST_F(store, is_written_once_and_used_again) {
  const auto first = answer(*load_it());
  ASSERT_EQ(entries(folder()).size(), 1U);
  const auto written = fs::last_write_time(entries(folder())[0]);
  EXPECT_EQ(answer(*load_it()), first);
  EXPECT_EQ(fs::last_write_time(entries(folder())[0]), written);
  EXPECT_EQ(live_mappings(), 0U);
}

// One part's rows need not fill a panel; where all parts' do not, the matrix lies as it is.
TEST_F(store, lays_products_out_in_panels) {
  const auto checkpoint = checkpoint::open(source(), 0);
  ASSERT_TRUE(checkpoint);
  const auto& q = *checkpoint->find("bert.encoder.layer.0.attention.self.query.weight").tensor;
  const auto width = q.shape[1];
  const std::string key = "bert.encoder.layer.0.attention.self.key.weight", query = q.name;
  ASSERT_EQ(q.shape[0] % (panel_rows / 2), 0);
  weight_request request;
  request.source = source();
  request.fingerprint = "f";
  request.plan.push_back({"pair", {2 * q.shape[0], width}, false, {query, key}, {}, true});
  request.plan.push_back({"other", q.shape, false, {query}, {}, false});
  const auto plain = load_weights(request, *checkpoint);
  ASSERT_TRUE(plain);
  request.panels = true;
  request.store = folder();
  for (int turn = 0; turn < 2; ++turn) {  // made, and found
    const auto made = load_weights(request, *checkpoint);
    ASSERT_TRUE(made);
    ASSERT_EQ(made->tensors[0].name, panels_of("pair"));
    EXPECT_EQ(made->tensors[1].name, "other");
    const auto values = [](const loaded_weights& w, std::size_t i) {
      const auto& t = w.tensors[i];
      const auto* from = reinterpret_cast<const float*>(w.memory->bytes().data() + t.begin);
      return std::vector<float>(from, from + t.elements());
    };
    auto wanted = values(*plain, 0);
    const auto rows = wanted;
    const auto size = static_cast<std::size_t>(panel_rows * width);
    for (std::size_t at = 0; at < rows.size(); at += size)
      to_panel(std::span(rows).subspan(at, size), std::span(wanted).subspan(at, size));
    EXPECT_EQ(values(*made, 0), wanted);
    EXPECT_EQ(values(*made, 1), values(*plain, 1));
  }
  EXPECT_EQ(entries(folder()).size(), 1U);
}

TEST_F(store, lays_products_out_in_panels_of_bf16) {
  const auto checkpoint = checkpoint::open(source(), 0);
  ASSERT_TRUE(checkpoint);
  const std::string layer = "bert.encoder.layer.0.attention.self.", query = layer + "query.weight",
                    key = layer + "key.weight";
  const auto& q = *checkpoint->find(query).tensor;
  const auto width = q.shape[1];
  ASSERT_EQ(width % 2, 0);
  weight_request request;
  request.target = precision::bf16;
  request.source = source();
  request.fingerprint = "f";
  request.plan.push_back({"pair", {2 * q.shape[0], width}, false, {query, key}, {}, true});
  request.plan.push_back({"other", q.shape, false, {query}, {}, false});
  const auto plain = load_weights(request, *checkpoint);
  ASSERT_TRUE(plain);
  request.panels = true;
  request.store = folder();
  for (int turn = 0; turn < 2; ++turn) {  // made, and found
    const auto made = load_weights(request, *checkpoint);
    ASSERT_TRUE(made);
    ASSERT_EQ(made->tensors[0].name, panels_of("pair"));
    EXPECT_EQ(made->tensors[0].type, "BF16");
    const auto values = [](const loaded_weights& w, std::size_t i) {
      const auto& t = w.tensors[i];
      const auto* from = reinterpret_cast<const std::uint16_t*>(w.memory->bytes().data() + t.begin);
      return std::vector<std::uint16_t>(from, from + t.elements());
    };
    auto wanted = values(*plain, 0);
    const auto rows = wanted;
    const auto size = static_cast<std::size_t>(panel_rows * width);
    for (std::size_t at = 0; at < rows.size(); at += size)
      to_panel(std::span(rows).subspan(at, size), std::span(wanted).subspan(at, size));
    EXPECT_EQ(values(*made, 0), wanted);
    EXPECT_EQ(values(*made, 1), values(*plain, 1));
  }
}

TEST_F(store, keeps_one_entry_a_precision_and_none_of_an_older_source) {
  const auto old = load_it();
  load_it(precision::bf16);
  EXPECT_EQ(entries(folder()).size(), 2U);
  const auto before = answer(*old);
  const auto bytes = read_file(weights());
  fs::remove(weights());
  write_file(weights(), bytes);  // the same bytes in a new file are a new version
  const auto made = load_it();
  EXPECT_NE(made->info().version, old->info().version);
  EXPECT_EQ(entries(folder()).size(), 1U);
  EXPECT_EQ(answer(*old), before);  // the old entry is gone by name only
}

TEST_F(store, what_no_artifact_is_left_for_goes_and_nothing_else) {
  load_it();
  load_it(precision::bf16);
  write_file(folder() / "x.safetensors", "no safetensors");
  write_file(folder() / "y.XXXXXX.tmp", "its writer is gone");
  EXPECT_EQ(remove_orphaned_copies(folder()), 0U);
  EXPECT_EQ(entries(folder()).size(), 3U);
  fs::rename(source(), scratch_.path() / "moved");
  EXPECT_GT(remove_orphaned_copies(folder()), 0U);
  EXPECT_EQ(entries(folder()), std::vector{folder() / "x.safetensors"});
  EXPECT_EQ(remove_orphaned_copies(scratch_.path() / "no such folder"), 0U);
}

TEST_F(store, survives_whatever_happens_to_the_source_meanwhile) {
  const auto m = load_it();
  const auto before = answer(*m);
  fs::resize_file(weights(), 100);
  EXPECT_EQ(answer(*m), before);
  EXPECT_FALSE(try_load());
  fs::remove_all(source());
  EXPECT_EQ(answer(*m), before);
}

TEST_F(store, makes_a_damaged_entry_anew) {
  const auto before = answer(*load_it());
  const auto entry = entries(folder())[0];
  for (const std::uint64_t size : {0U, 7U, 200U, 5000U}) {
    fs::resize_file(entry, size);
    EXPECT_EQ(answer(*load_it()), before) << size;
  }
  fs::permissions(entry, fs::perms::owner_all);
  write_file(entry, "no safetensors");
  EXPECT_EQ(answer(*load_it()), before);
}

// What a power cut, a disk or an operator does to the data: it is seen before the first answer, told, and mended.
TEST_F(store, never_serves_other_bytes_than_it_wrote) {
  const auto first = load_it();
  const auto before = answer(*first);
  EXPECT_EQ(first->info().notes, "");
  const auto entry = entries(folder())[0];
  const auto good = read_file(entry);
  std::uint64_t head = 0;
  for (int i = 7; i >= 0; --i) head = head << 8U | static_cast<unsigned char>(good[static_cast<std::size_t>(i)]);
  head += 8;
  const auto spoil = [&](std::string_view how, const std::string& bytes) {
    SCOPED_TRACE(how);
    fs::remove(entry);  // a new file: `first` goes on with what it has mapped
    write_file(entry, bytes);
    const auto m = load_it();
    EXPECT_EQ(answer(*m), before);
    EXPECT_NE(m->info().notes.find("made anew"), std::string::npos) << m->info().notes;
    EXPECT_EQ(m->memory().mappings.size(), 1U) << "from the store";
    EXPECT_EQ(read_file(entry), good);
    EXPECT_EQ(load_it()->info().notes, "");
  };
  const auto with = [&](std::size_t at, std::size_t count, char value) {
    auto bytes = good;
    bytes.replace(at, count, count, value);
    return bytes;
  };
  spoil("zeros after the head", with(head, good.size() - head, '\0'));
  spoil("a page of zeros in the middle", with(good.size() / 2 / 4096 * 4096, 4096, '\0'));
  spoil("zeros at the end", with(good.size() - 64, 64, '\0'));
  spoil("zeros from the start", with(0, 4096, '\0'));
  spoil("all zeros", std::string(good.size(), '\0'));
  spoil("longer", good + std::string(64, '\0'));
  spoil("shorter", good.substr(0, good.size() - 1));
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 20; ++i) {
    const auto at = random() % good.size();
    const auto flipped = static_cast<char>(good[at] ^ static_cast<char>(1U << random() % 8));
    // Which folder it was made of may read otherwise: nothing follows from that.
    if (const auto name = good.find(source().string()); at >= name && at < name + source().string().size()) continue;
    spoil("a flipped bit at " + std::to_string(at), with(at, 1, flipped));
  }
  EXPECT_EQ(answer(*first), before);
}

TEST_F(store, an_entry_without_digest_is_made_anew) {
  const auto before = answer(*load_it());
  const auto entry = entries(folder())[0];
  auto bytes = read_file(entry);
  const auto at = bytes.find("\"digest\"");
  ASSERT_NE(at, bytes.npos);
  bytes[at + 1] = 'x';
  write_file(entry, bytes);
  EXPECT_EQ(answer(*load_it()), before);
  EXPECT_NE(read_file(entry), bytes);
}

TEST_F(store, entries_of_an_older_layout_go) {
  load_it();
  const auto entry = entries(folder())[0];
  auto older = entry.string();
  const auto layout = older.find(".v3.");
  ASSERT_NE(layout, std::string::npos);
  older.replace(layout, 4, ".v1.");
  fs::rename(entry, older);
  load_it();
  EXPECT_EQ(entries(folder()), std::vector{entry});
}

TEST_F(store, a_damaged_entry_whose_source_is_gone_is_an_error) {
  load_it();
  const auto entry = entries(folder())[0];
  auto bytes = read_file(entry);
  bytes[bytes.size() - 100] ^= 1;
  write_file(entry, bytes);
  fs::remove_all(source());
  const auto m = try_load();
  ASSERT_FALSE(m);
  EXPECT_NE(m.error().message.find("no artifact at " + source().string()), std::string::npos) << m.error().message;
}

// Also while another model has the good entry mapped: that one goes on with what it checked.
TEST_F(store, is_checked_once_a_state_of_its_file_and_gives_way_meanwhile) {
  load_it();
  const auto entry = entries(folder())[0];
  EXPECT_TRUE((*weight_memory::map(entry))->verified()) << "this process has read it through";
  write_file(entry, read_file(entry));
  int breaks = 0;
  const step_aside_scope scope([&] { ++breaks; });
  const auto mapped = weight_memory::map(entry);
  ASSERT_TRUE(mapped);
  EXPECT_FALSE((*mapped)->verified());
  const std::atomic<bool> cancelled{true};
  EXPECT_FALSE((*mapped)->populate_and_digest(0, &cancelled));
  EXPECT_EQ(breaks, 0);
  const auto digest = (*mapped)->populate_and_digest(7, nullptr);
  ASSERT_TRUE(digest);
  EXPECT_GE(breaks, 1);
  content_digest expected;
  expected.add((*mapped)->bytes().subspan(7, 100));  // in other pieces
  expected.add((*mapped)->bytes().subspan(107));
  EXPECT_EQ(digest->hex(), expected.hex());
  const auto m = load_it();
  EXPECT_TRUE((*mapped)->verified());
}

TEST_F(store, a_source_whose_name_is_not_utf8_is_stored_like_any_other) {
  const auto odd = scratch_.path() / "mod\xe9l";
  fs::rename(source(), odd);
  load_options options;
  options.store = folder();
  for (int i = 0; i < 2; ++i) {
    const auto m = load(spec_of(odd), options);
    ASSERT_TRUE(m);
    EXPECT_EQ((*m)->memory().mappings.size(), 1U);
    EXPECT_EQ((*m)->info().notes, "");
  }
}

TEST_F(store, leaves_no_temporary_files) {
  fs::create_directories(folder());
  load_it();
  const auto entry = entries(folder())[0];
  fs::remove(entry);
  write_file(entry.string() + ".abcdef.tmp", "of a process that died");
  load_it();
  ASSERT_EQ(entries(folder()).size(), 1U);
  EXPECT_EQ(entries(folder())[0], entry);
}

TEST_F(store, without_one_the_weights_are_private_and_charged) {
  const auto stored = load_it();
  const auto priv = load_it(precision::fp32, false);
  EXPECT_EQ(answer(*priv), answer(*stored));
  EXPECT_TRUE(priv->memory().mappings.empty());
  EXPECT_GT(priv->memory().private_bytes, stored->memory().private_bytes + 50'000);
  EXPECT_EQ(priv->info().notes, "");
  ASSERT_EQ(stored->memory().mappings.size(), 1U);
  EXPECT_EQ(stored->memory().mappings[0].size_bytes, fs::file_size(entries(folder())[0]));
}

TEST_F(store, that_cannot_be_made_is_told_and_done_without) {
  write_file(folder(), "a file where the folder should be");
  const auto m = load_it();
  EXPECT_TRUE(m->memory().mappings.empty());
  EXPECT_NE(m->info().notes.find("private memory"), std::string::npos) << m->info().notes;
  EXPECT_EQ(answer(*m).size(), 3U);
}

// In a process of its own, as the limit is the process's: no file may grow beyond 20 kB.
TEST_F(store, that_is_full_is_told_and_done_without) {
  const auto child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20'000, 20'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto m = try_load();
    const bool fine = m && (*m)->memory().mappings.empty() &&
                      (*m)->info().notes.find("private memory") != std::string::npos && entries(folder()).empty() &&
                      answer(**m).size() == 3;
    ::_exit(fine ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(store, two_processes_may_fill_it_at_once) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const auto child = ::fork();
    if (child == 0) {
      for (int k = 0; k < 5; ++k)
        if (auto m = try_load(); !m || answer(**m).size() != 3 || !(*m)->info().notes.empty()) ::_exit(1);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const auto child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  EXPECT_EQ(entries(folder()).size(), 1U);
}

TEST_F(store, a_cancelled_load_leaves_nothing) {
  const std::atomic<bool> cancelled{true};
  load_options options;
  options.store = folder();
  options.cancelled = &cancelled;
  const auto m = load(spec_of(source()), options);
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().code, error_code::cancelled);
  EXPECT_TRUE(!fs::exists(folder()) || entries(folder()).empty());
}

TEST_F(store, gives_back_every_mapping_and_byte) {
  for (int i = 0; i < 20; ++i) {
    const auto m = load_it(i % 2 ? precision::bf16 : precision::fp32, i % 3 != 0);
    answer(*m);
  }
  EXPECT_EQ(live_mappings(), 0U);
}

}  // namespace
}  // namespace troupe::inference::tests
