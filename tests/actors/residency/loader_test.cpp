// A load as the loader's actor runs it.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "actors/residency/watched_load.hpp"
#include "inference/loader.hpp"
#include "inference/programs/torchscript.hpp"
#include "inference/tables.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
namespace fs = std::filesystem;

struct Loader : ::testing::Test {
  fs::path folder, file;
  std::shared_ptr<load_order> order = std::make_shared<load_order>();

  void SetUp() override {
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    file = folder / "swapped.pt";
    put("old");
    order->model = std::string("m");
    order->spec.path = file;
    order->cancelled = std::make_shared<std::atomic<bool>>(false);
  }
  void TearDown() override { fs::remove_all(folder); }
  void put(const std::string& text) const {
    std::ofstream(folder / "new") << text;
    fs::rename(folder / "new", file);
  }
};

// A model whose artifact is replaced during its first run.
class swapped_model : public fake_model {
 public:
  explicit swapped_model(fs::path file, std::string version) : file_(std::move(file)) {
    info_.version = std::move(version);
  }
  const inference::model_info& info() const noexcept override { return info_; }
  std::unique_ptr<inference::instance> make_instance() const override {
    std::ofstream(file_.string() + ".new") << "newer";
    fs::rename(file_.string() + ".new", file_);
    return fake_model::make_instance();
  }

 private:
  fs::path file_;
  inference::model_info info_;
};

TEST_F(Loader, AnArtifactThatIsReplacedAfterItWasReadIsNotRecordedAsLoaded) {
  auto swapped = inference::torchscript_format();
  swapped.claims = [](const inference::artifact_spec& spec) { return spec.path.filename() == "swapped.pt"; };
  swapped.load = [](const inference::artifact_spec& spec, const inference::load_options&,
                    const std::string& version) -> result<std::unique_ptr<const inference::model>> {
    return std::make_unique<const swapped_model>(spec.path, version);
  };
  inference::add_format(swapped);
  const auto read = *inference::fingerprint(order->spec);
  const auto outcome = load_watched(order, {}, {}, [] { return std::shared_ptr<void>(); });
  ASSERT_TRUE(*outcome) << outcome->error().message;
  EXPECT_EQ((*outcome)->fingerprint, read);
  EXPECT_NE((*outcome)->fingerprint, *inference::fingerprint(order->spec));
}

}  // namespace
}  // namespace troupe::actors
