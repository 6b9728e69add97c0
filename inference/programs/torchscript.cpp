// The archive's directory is checked first, then LibTorch reads it into private memory that the model's
// account is charged with. Rows of one shape are stacked along a new first dimension; the output is
// split along it. Of a tuple or list of outputs the first is the answer, of a dictionary "logits",
// "output" or its first.

#include "inference/programs/torchscript.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "config/machine.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/zip_archive.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

namespace jit = torch::jit;

at::ScalarType scalar_type(dtype type) {
  switch (type) {
    case dtype::f32: return at::kFloat;
    case dtype::f64: return at::kDouble;
    case dtype::f16: return at::kHalf;
    case dtype::bf16: return at::kBFloat16;
    case dtype::i64: return at::kLong;
    case dtype::i32: return at::kInt;
    case dtype::i16: return at::kShort;
    case dtype::i8: return at::kChar;
    case dtype::u8: return at::kByte;
    case dtype::boolean: return at::kBool;
  }
  return at::kFloat;
}

dtype dtype_of(at::ScalarType type) {
  for (const auto t : {dtype::f32, dtype::f64, dtype::f16, dtype::bf16, dtype::i64, dtype::i32, dtype::i16, dtype::i8,
                       dtype::u8, dtype::boolean})
    if (scalar_type(t) == type) return t;
  throw std::runtime_error(std::string("the model's output has an unsupported type: ") + c10::toString(type));
}

// The lines of a TorchScript exception are a Python trace; the last one says what was wrong.
std::string script_error(const std::exception& e) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&e);
  std::string_view text = torch_error ? torch_error->what_without_backtrace() : e.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  constexpr std::string_view marker = "RuntimeError: ";
  if (const auto at = text.rfind(marker); at != text.npos) return essential_line(text.substr(at + marker.size()));
  if (text.starts_with("The following operation failed in the TorchScript interpreter."))
    text.remove_prefix(std::min(text.size(), text.rfind('\n') + 1));
  return essential_line(text);
}

struct prepared_tensor final : prepared {
  tensor value;
};

// Out-of-range views would read foreign memory: the archive's numbers are not checked when they are
// read.
void check_bounds(const at::Tensor& t) {
  if (!t.defined() || !t.has_storage() || t.numel() == 0) return;
  std::uint64_t last = static_cast<std::uint64_t>(t.storage_offset());
  bool bad = t.storage_offset() < 0;
  for (std::int64_t i = 0; i < t.dim(); ++i) {
    std::uint64_t span = 0;
    bad = bad || t.size(i) < 0 || t.stride(i) < 0 ||
          __builtin_mul_overflow(static_cast<std::uint64_t>(t.size(i) - 1), static_cast<std::uint64_t>(t.stride(i)),
                                 &span) ||
          __builtin_add_overflow(last, span, &last);
  }
  if (bad || last >= t.storage().nbytes() / t.element_size())
    throw std::runtime_error("a tensor of the archive reaches beyond its storage");
}

void check_bounds(const c10::IValue& value, int depth = 0) {
  if (depth > 200) throw std::runtime_error("the archive's objects are nested too deeply");
  if (value.isTensor()) return check_bounds(value.toTensor());
  if (value.isObject()) {
    for (const auto& slot : value.toObjectRef().slots()) check_bounds(slot, depth + 1);
  } else if (value.isList() || value.isTensorList()) {
    for (const auto& item : value.toListRef()) check_bounds(item, depth + 1);
  } else if (value.isTuple()) {
    for (const auto& item : value.toTupleRef().elements()) check_bounds(item, depth + 1);
  } else if (value.isGenericDict()) {
    for (const auto& item : value.toGenericDict()) check_bounds(item.value(), depth + 1);
  }
}

// A module of its own for an instance: what forward() may change is copied, parameters are shared.
class module_copier {
 public:
  jit::Module operator()(const jit::Module& m) { return jit::Module(copy(m._ivalue())); }

 private:
  c10::intrusive_ptr<c10::ivalue::Object> copy(const c10::intrusive_ptr<c10::ivalue::Object>& from) {
    if (const auto done = objects_.find(from.get()); done != objects_.end()) return done->second;
    auto to = from->copy();
    objects_.emplace(from.get(), to);
    const auto type = from->type();
    for (std::size_t i = 0; i < from->slots().size(); ++i) {
      const auto value = from->getSlot(i);
      if (value.isModule()) {
        to->setSlot(i, copy(value.toObject()));
      } else if (!type->is_parameter(i) && !value.isNone()) {
        to->setSlot(i, value.deepcopy(memo_));
      }
    }
    return to;
  }
  std::unordered_map<const c10::ivalue::Object*, c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  c10::IValue::HashIdentityIValueMap memo_;  // buffers that are one tensor stay one
};

// Of a GPU's memory, which the tagged allocator does not see.
std::uint64_t device_bytes(const jit::Module& module, const std::string& device, bool parameters) {
  std::uint64_t bytes = 0;
  if (!is_gpu(device)) return bytes;
  for (const auto& t : module.buffers()) bytes += t.nbytes();
  if (parameters)
    for (const auto& t : module.parameters()) bytes += t.nbytes();
  return bytes;
}

struct script_core {
  std::shared_ptr<memory_account> account;
  std::string device;
  bool batching = true;
  jit::Module module;
  std::uint64_t charged_bytes = 0;
  ~script_core() {
    module = jit::Module();
    if (account) account->release(charged_bytes);
  }
};

at::Tensor first_output(const c10::IValue& value) {
  if (value.isTensor()) return value.toTensor();
  if (value.isTuple() && !value.toTupleRef().elements().empty()) return first_output(value.toTupleRef().elements()[0]);
  if ((value.isList() || value.isTensorList()) && !value.toListRef().empty()) return first_output(value.toListRef()[0]);
  if (value.isGenericDict() && !value.toGenericDict().empty()) {
    const auto all = value.toGenericDict();
    for (const char* name : {"logits", "output"})
      for (const auto& item : all)
        if (item.key().isString() && item.key().toStringRef() == name) return first_output(item.value());
    return first_output(all.begin()->value());
  }
  throw std::runtime_error("the model's output is no tensor");
}

class script_instance final : public instance {
 public:
  explicit script_instance(std::shared_ptr<const script_core> c)
      : core_(std::move(c)), lane_(make_device_lane(core_->device)) {
    const account_scope charged(core_->account);
    const c10::InferenceMode inference;
    module_ = module_copier{}(core_->module);
    charged_bytes_ = device_bytes(module_, core_->device, false);
    core_->account->charge(charged_bytes_);
  }
  ~script_instance() override { core_->account->release(charged_bytes_); }

  // A graph with a fixed batch size takes one row at a time. What a program throws is one line, and fails the batch.
  void step(std::span<row> rows) override {
    const account_scope charged(core_->account);
    try {
      if (core_->batching && !rows.empty()) return run(rows);
      for (auto& r : rows) run({&r, 1});
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      throw std::runtime_error(script_error(e));
    }
  }

 private:
  at::Tensor forward(at::Tensor batch) {
    try {
      return first_output(module_.forward({std::move(batch)}));
    } catch (const c10::Error& e) {
      throw std::runtime_error(script_error(e));  // on_lane() would keep the first line, which says nothing
    }
  }

  void run(std::span<row> rows) {
    on_lane(*lane_, [&] {
      const c10::InferenceMode inference;
      auto answer = forward(stack(rows));
      split(answer.to(at::kCPU).contiguous(), rows);
    });
  }

  at::Tensor stack(std::span<const row> rows) const {
    const auto& first = static_cast<const prepared_tensor*>(rows.front().in)->value;
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(rows.size())};
    shape.insert(shape.end(), first.shape.begin(), first.shape.end());
    auto batch = at::empty(shape, scalar_type(first.type));
    auto* to = static_cast<std::byte*>(batch.mutable_data_ptr());
    for (const auto& r : rows) {
      const auto& t = static_cast<const prepared_tensor*>(r.in)->value;
      if (t.data.size() != first.data.size()) throw std::runtime_error("rows of different shapes in one batch");
      if (!t.data.empty()) std::memcpy(to, t.data.data(), t.data.size());
      to += t.data.size();
    }
    return is_gpu(core_->device) ? batch.to(torch_device(core_->device)) : batch;
  }

  static void split(const at::Tensor& answer, std::span<row> rows) {
    const auto n = static_cast<std::int64_t>(rows.size());
    const bool by_row = answer.dim() > 0 && answer.size(0) == n;
    if (!by_row && n > 1)
      throw std::runtime_error("the output's first dimension is not the batch's: register the model with batching off");
    const auto type = dtype_of(answer.scalar_type());
    const auto sizes = by_row ? answer.sizes().slice(1) : answer.sizes();
    const auto bytes = static_cast<std::size_t>(answer.nbytes()) / rows.size();
    const auto* from = static_cast<const std::byte*>(answer.const_data_ptr());
    for (auto& r : rows) {
      tensor t;
      t.type = type;
      t.shape = sizes.vec();
      if (bytes != 0) t.data.assign(from, from + bytes);
      from += bytes;
      r.out = named_tensors{{{std::string(), std::move(t)}}};
      r.again = false;
    }
  }

  std::shared_ptr<const script_core> core_;
  std::unique_ptr<device_lane> lane_;
  jit::Module module_;
  std::uint64_t charged_bytes_ = 0;
};

class script_model final : public model {
 public:
  script_model(std::shared_ptr<const script_core> c, model_info info) : core_(std::move(c)), info_(std::move(info)) {}
  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    if (asked.task && *asked.task != task::tensor) return tl::unexpected(wrong_task(info_, *asked.task));
    if (const auto names = names_of(asked.parameters); !names.empty())
      return fail(error_code::bad_request, "'" + std::string(names.front()) + "' is no parameter of a program");
    const auto* given = in.only<tensor>();
    if (given == nullptr)
      return fail(error_code::unprocessable, "this model takes a tensor, not " + std::string(kind_of(in)));
    std::uint64_t bytes = size_of(given->type);
    for (const auto d : given->shape)
      if (d < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(d), &bytes))
        return fail(error_code::unprocessable, "the tensor's shape is impossible");
    if (bytes != given->data.size())
      return fail(error_code::unprocessable, "the tensor holds " + std::to_string(given->data.size()) +
                                                 " bytes, its shape asks for " + std::to_string(bytes));
    if (auto ok = check_spec(*given); !ok) return tl::unexpected(ok.error());
    auto made = std::make_unique<prepared_tensor>();
    made->value = *given;
    name_hash key;
    key.add(static_cast<std::uint64_t>(given->type));
    for (const auto d : given->shape) key.add(static_cast<std::uint64_t>(d));
    made->batch_key = key.value();
    return made;
  }

  std::unique_ptr<instance> make_instance() const override { return std::make_unique<script_instance>(core_); }

  // Nothing is warmed where the item's shape is not known.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t) const override {
    if (info_.inputs.empty() ||
        std::any_of(info_.inputs[0].shape.begin(), info_.inputs[0].shape.end(), [](auto d) { return d < 0; }))
      return {};
    const auto item_bytes = item_elements() * size_of(info_.inputs[0].type);
    if (item_bytes > warm_bytes_max) return {};
    std::vector<warm_bucket> buckets{{1, 1}};
    const auto items =
        std::min<std::uint64_t>(max_batch_items, warm_bytes_max / std::max<std::uint64_t>(1, item_bytes));
    if (core_->batching && items > 1) buckets.push_back({static_cast<std::uint32_t>(items), 1});
    return buckets;
  }

  prepared_ptr warm_input(const warm_bucket&) const override {
    auto made = std::make_unique<prepared_tensor>();
    if (info_.inputs.empty()) return made;
    made->value.type = info_.inputs[0].type;
    for (const auto d : info_.inputs[0].shape) made->value.shape.push_back(std::max<std::int64_t>(d, 1));
    made->value.data.resize(item_elements() * size_of(made->value.type));
    return made;
  }

  memory_use memory() const override { return {{}, core_->account->live_bytes()}; }

 private:
  static constexpr std::uint64_t warm_bytes_max = 64U << 20U;  // inputs of a warm-up batch

  // Of one item as it is registered: at most 2^31 (config/registry.cpp).
  std::uint64_t item_elements() const {
    std::uint64_t elements = 1;
    for (const auto d : info_.inputs[0].shape) elements *= static_cast<std::uint64_t>(std::max<std::int64_t>(d, 1));
    return elements;
  }
  result<void> check_spec(const tensor& given) const {
    if (info_.inputs.empty()) return {};
    const auto& wanted = info_.inputs[0];
    bool fits = given.type == wanted.type && given.shape.size() == wanted.shape.size();
    for (std::size_t i = 0; fits && i < given.shape.size(); ++i)
      fits = wanted.shape[i] < 0 || wanted.shape[i] == given.shape[i];
    if (fits) return {};
    return fail(error_code::unprocessable,
                "the tensor is " + std::string(to_string(given.type)) + ' ' + shape_text(given.shape),
                "the model takes " + std::string(to_string(wanted.type)) + ' ' + shape_text(wanted.shape));
  }

  std::shared_ptr<const script_core> core_;
  model_info info_;
};

constexpr std::uint64_t program_bytes = 64U << 10U;  // the program itself, about

struct archive_sizes {
  std::uint64_t tensors = 0, tensor_bytes = 0;
};
result<archive_sizes> check_archive(const artifact_spec& spec, const load_options& options) {
  auto file = open_for_reading(spec.path);
  if (!file) return tl::unexpected(file.error());
  if (options.max_artifact_bytes != 0 && file->size_bytes > options.max_artifact_bytes)
    return fail(error_code::payload_too_large, spec.path.string() + " is larger than an artifact may be",
                "at most " + std::to_string(options.max_artifact_bytes) + " bytes");
  const auto entries = read_zip_directory(*file, spec.path);
  if (!entries) return tl::unexpected(entries.error());
  bool code = false, constants = false;
  archive_sizes sizes;
  for (const auto& e : *entries) {
    // One file a storage, below data/ (parameters, buffers) and constants/ (of a frozen graph).
    const auto folder_end = e.name.rfind('/');
    const auto folder = e.name.substr(0, folder_end == e.name.npos ? 0 : folder_end);
    if (folder.ends_with("/data") || folder.ends_with("/constants")) {
      ++sizes.tensors;
      sizes.tensor_bytes += e.size_bytes;
    }
    code = code || e.name.find("/code/") != e.name.npos;
    constants = constants || e.name.ends_with("/constants.pkl");
  }
  if (!code || !constants)
    return fail(error_code::unprocessable, spec.path.string() + " is no TorchScript archive",
                "a file of torch.jit.save (torch.save alone stores no program)");
  return sizes;
}

// forward(self, Tensor) or with further arguments that have defaults.
void check_schema(const jit::Module& module) {
  const auto forward = module.find_method("forward");
  if (!forward) throw std::runtime_error("the module has no forward()");
  const auto& arguments = forward->function().getSchema().arguments();
  std::size_t required = 0;
  for (const auto& a : arguments) required += a.default_value() ? 0 : 1;
  if (arguments.size() < 2 || required > 2 || arguments[1].type()->kind() != c10::TypeKind::TensorType)
    throw std::runtime_error("forward() must take one tensor, it takes " +
                             std::to_string(required - std::min<std::size_t>(required, 1)) + " arguments");
}

result<memory_estimate> estimate(const artifact_spec& spec, const load_options& options, const std::string&) {
  auto sizes = check_archive(spec, options);
  if (!sizes) return tl::unexpected(sizes.error());
  // Of each tensor what its allocation takes beside it, and what instances copy: buffers, which are few.
  constexpr std::uint64_t beside_bytes = 128;
  return memory_estimate{
      {}, 0, sizes->tensor_bytes + sizes->tensor_bytes / 32 + sizes->tensors * beside_bytes + 2 * program_bytes};
}

result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  if (auto sizes = check_archive(spec, options); !sizes) return tl::unexpected(sizes.error());
  if (spec.inputs.size() > 1)
    return fail(error_code::unprocessable, "a TorchScript model with more than one input is not supported");
  static std::once_flag once;
  // The optimizing executor recompiles at the second and third batch, for seconds; and is not ours to
  // trust.
  std::call_once(once, [] { jit::setGraphExecutorOptimize(false); });

  auto core = std::make_shared<script_core>();
  core->account = std::make_shared<memory_account>();
  core->device = options.device;
  core->batching = spec.batching;
  const account_scope charged(core->account);
  try {
    core->module = jit::load(spec.path.string(), c10::Device(c10::kCPU), false);
    core->module.eval();
    check_bounds(core->module._ivalue());
    check_schema(core->module);
    if (is_gpu(options.device)) core->module.to(torch_device(options.device));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    return fail(error_code::unprocessable, spec.path.string() + " cannot be loaded: " + script_error(e));
  }
  if (is_cancelled(options.cancelled)) return cancelled_error();
  core->charged_bytes = program_bytes + device_bytes(core->module, options.device, true);
  core->account->charge(core->charged_bytes);

  model_info info;
  info.architecture = "TorchScript";
  // OpenMP's threads wait for each other: with fewer cores for whatever else the process does (docs/experiments.md, a).
  constexpr std::uint32_t lone_cores_min = 4;
  static const bool cores_to_spare = config::usable_cores() >= lone_cores_min;
  info.lone = cores_to_spare ? lone_use::keeps_cores : lone_use::none;
  info.format = "torchscript";
  info.precision = "fp32";
  info.device = options.device;
  info.tasks = {task::tensor};
  info.version = version;
  info.labels = spec.labels;
  for (const auto& p : core->module.parameters()) {
    info.parameters += p.numel();
    if (p.scalar_type() == at::kBFloat16) info.precision = "bf16";
  }
  info.inputs = spec.inputs;
  return std::make_unique<const script_model>(std::move(core), std::move(info));
}

bool claims(const artifact_spec& spec) {
  const auto extension = spec.path.extension();
  const bool named = extension == ".pt" || extension == ".pth" || extension == ".ts" || extension == ".torchscript";
  struct stat st {};
  return named && ::stat(spec.path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode);
}

result<std::vector<std::filesystem::path>> files(const artifact_spec& spec) {
  return std::vector<std::filesystem::path>{spec.path};
}

}  // namespace

format torchscript_format() { return {"torchscript", claims, files, estimate, load}; }

}  // namespace troupe::inference
