#include "inference/tasks/module_weights.hpp"

#include "inference/files/convert.hpp"

namespace troupe::inference {
namespace {
constexpr std::uint64_t bytes_max = 4ULL << 30U;
}  // namespace

result<module_weights> module_weights::open(const std::filesystem::path& folder) {
  auto source = checkpoint::open(folder, bytes_max);
  if (!source) return tl::unexpected(source.error());
  return module_weights(folder, std::move(*source));
}

result<std::vector<float>> module_weights::read(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const auto found = source_.find(name);
  const auto where = folder_.filename().string() + ": the tensor " + name;
  if (found.tensor == nullptr) return fail(error_code::unprocessable, where + " is missing");
  const auto& stored = *found.tensor;
  if (stored.shape != shape)
    return fail(error_code::unprocessable, where + " has the shape " + shape_text(stored.shape),
                "by config.json: " + shape_text(shape));
  const auto type = floating_type_of(stored.type);
  if (!type) return fail(error_code::unprocessable, where + " has the type " + stored.type, "F32, F16, BF16 or F64");
  std::vector<std::byte> bytes(stored.elements() * stored_type_bytes(stored.type));
  if (auto ok = found.read(0, bytes); !ok) return tl::unexpected(ok.error());
  std::vector<float> values(stored.elements());
  to_floats(*type, bytes, values);
  return values;
}

result<std::vector<float>> module_weights::read_turned(const std::string& name, std::int64_t rows,
                                                       std::int64_t columns) const {
  auto values = read(name, {rows, columns});
  if (!values) return values;
  std::vector<float> turned(values->size());
  const auto height = static_cast<std::size_t>(rows), width = static_cast<std::size_t>(columns);
  for (std::size_t r = 0; r < height; ++r)
    for (std::size_t c = 0; c < width; ++c) turned[c * height + r] = (*values)[r * width + c];
  return turned;
}

}  // namespace troupe::inference
