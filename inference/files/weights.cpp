#include "inference/files/weights.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "inference/files/convert.hpp"
#include "inference/files/digest.hpp"
#include "inference/files/ready_copies.hpp"
#include "inference/files/temporary_file.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t chunk_bytes = 4U << 20U;
// Part of an entry's name: another layout never reads an older one's files.
constexpr int layout_version = 3;

dtype type_of(const planned_tensor& t, precision target) {
  if (target == precision::int8 && t.product) return dtype::i8;
  return t.full_precision || target != precision::bf16 ? dtype::f32 : dtype::bf16;
}

bool in_panels(const planned_tensor& t, const weight_request& request) {
  if (!request.panels || !t.product || t.shape.front() % panel_rows != 0) return false;
  const auto type = type_of(t, request.target);
  return type == dtype::f32 || (type == dtype::bf16 && t.shape.back() % 2 == 0);
}

std::vector<stored_tensor> layout_of(const weight_request& request) {
  std::vector<stored_tensor> tensors;
  tensors.reserve(2 * request.plan.size());
  for (const auto& t : request.plan) {
    const auto type = type_of(t, request.target);
    const auto name = in_panels(t, request) ? panels_of(t.name) : t.name;
    tensors.push_back({name, std::string(stored_name(type)), t.shape, 0, 0});
    if (type == dtype::i8)
      tensors.push_back({scales_of(t.name), std::string(stored_name(dtype::f32)), {t.shape.front()}, 0, 0});
  }
  return tensors;
}

// Where converted bytes go: the store's temporary file, or private memory. Offsets only grow.
using sink = std::function<result<void>(std::uint64_t offset, std::span<const std::byte>)>;

result<std::vector<float>> read_row(const checkpoint& source, const std::string& name, std::uint64_t width) {
  const auto at = source.find(name);
  std::vector<float> row(width);
  const auto type = floating_type_of(at.tensor->type).value_or(dtype::f32);  // check_plan() has seen it
  std::vector<std::byte> raw(width * stored_type_bytes(at.tensor->type));
  if (auto ok = at.read(0, raw); !ok) return tl::unexpected(ok.error());
  to_floats(type, raw, row);
  return row;
}

// One source tensor, converted chunk by chunk into `out` from `offset` on.
result<void> copy_part(const checkpoint::located& from, bool to_half, std::span<const float> row, std::uint64_t offset,
                       const sink& out, cancel_flag cancelled) {
  const auto type = floating_type_of(from.tensor->type).value_or(dtype::f32);
  const auto width = stored_type_bytes(from.tensor->type);
  const auto total = from.tensor->elements();
  const bool as_is = row.empty() && type == (to_half ? dtype::bf16 : dtype::f32);
  // Whole rows a chunk where a row is added, so that the row's phase is the same in each.
  std::uint64_t step = chunk_bytes / 8;
  if (!row.empty()) step = std::max<std::uint64_t>(1, step / row.size()) * row.size();
  step = std::min(step, total);
  std::vector<std::byte> raw(step * width);
  std::vector<float> floats(as_is ? 0 : step);
  std::vector<std::uint16_t> halves(!as_is && to_half ? step : 0);
  for (std::uint64_t at = 0; at < total; at += step) {
    if (is_cancelled(cancelled)) return cancelled_error();
    step_aside();
    const auto n = std::min(step, total - at);
    const auto bytes = std::span(raw).first(n * width);
    if (auto ok = from.read(at, bytes); !ok) return ok;
    std::span<const std::byte> converted = bytes;
    if (!as_is) {
      const auto values = std::span(floats).first(n);
      to_floats(type, bytes, values);
      for (std::uint64_t i = 0; !row.empty() && i < n; ++i) values[i] += row[i % row.size()];
      converted = std::as_bytes(values);
      if (to_half) {
        to_bf16(values, halves);
        converted = std::as_bytes(std::span(halves).first(n));
      }
    }
    if (auto ok = out(offset + at * (to_half ? 2 : 4), converted); !ok) return ok;
  }
  return {};
}

// The rows of a matrix, its parts one after another, in fp32, some at a time.
result<void> read_rows(const planned_tensor& t, const checkpoint& source,
                       const std::function<result<void>(std::span<const float> rows)>& take, cancel_flag cancelled) {
  const auto width = static_cast<std::uint64_t>(t.shape.back());
  const auto step = std::max<std::uint64_t>(1, chunk_bytes / 8 / width);  // rows
  std::vector<float> floats(step * width);
  for (const auto& part : t.parts) {
    const auto from = source.find(part);
    const auto type = floating_type_of(from.tensor->type).value_or(dtype::f32);
    const auto rows = from.tensor->elements() / width;
    std::vector<std::byte> raw(step * width * stored_type_bytes(from.tensor->type));
    for (std::uint64_t at = 0; at < rows; at += step) {
      if (is_cancelled(cancelled)) return cancelled_error();
      step_aside();
      const auto n = std::min(step, rows - at);
      const auto bytes = std::span(raw).first(n * width * stored_type_bytes(from.tensor->type));
      if (auto ok = from.read(at * width, bytes); !ok) return ok;
      to_floats(type, bytes, std::span(floats).first(n * width));
      if (auto ok = take(std::span(floats).first(n * width)); !ok) return ok;
    }
  }
  return {};
}

// A matrix into int8, row by row; its scales follow it.
result<void> quantize(const planned_tensor& t, const stored_tensor& to, const stored_tensor& scales_to,
                      const checkpoint& source, const sink& out, cancel_flag cancelled) {
  const auto width = static_cast<std::uint64_t>(t.shape.back());
  std::vector<float> scales;
  std::vector<std::int8_t> small;
  auto offset = to.begin;
  const auto take = [&](std::span<const float> rows) -> result<void> {
    small.resize(rows.size());
    for (std::uint64_t at = 0; at < rows.size(); at += width)
      scales.push_back(to_int8(rows.subspan(at, width), std::span(small).subspan(at, width)));
    if (auto ok = out(offset, std::as_bytes(std::span(small))); !ok) return ok;
    offset += small.size();
    return {};
  };
  if (auto ok = read_rows(t, source, take, cancelled); !ok) return ok;
  return out(scales_to.begin, std::as_bytes(std::span(scales)));
}

// A matrix into panels; a part's rows need not fill its last one.
result<void> lay_panels(const planned_tensor& t, const stored_tensor& to, const checkpoint& source, const sink& out,
                        cancel_flag cancelled) {
  const auto panel_size = static_cast<std::uint64_t>(panel_rows * t.shape.back());
  const bool half = to.type == stored_name(dtype::bf16);
  std::vector<float> waiting, panel(half ? 0 : panel_size);
  std::vector<std::uint16_t> halves(half ? panel_size : 0), half_panel(halves.size());
  auto offset = to.begin;
  const auto laid = [&]() -> std::span<const std::byte> {
    if (!half) {
      to_panel(waiting, panel);
      return std::as_bytes(std::span(panel));
    }
    to_bf16(waiting, halves);
    to_panel(halves, half_panel);
    return std::as_bytes(std::span(half_panel));
  };
  const auto take = [&](std::span<const float> rows) -> result<void> {
    while (!rows.empty()) {
      const auto some = rows.first(std::min<std::uint64_t>(rows.size(), panel_size - waiting.size()));
      waiting.insert(waiting.end(), some.begin(), some.end());
      rows = rows.subspan(some.size());
      if (waiting.size() < panel_size) return {};
      const auto bytes = laid();
      waiting.clear();
      if (auto ok = out(offset, bytes); !ok) return ok;
      offset += bytes.size();
    }
    return {};
  };
  return read_rows(t, source, take, cancelled);
}

result<void> convert_all(const weight_request& request, const std::vector<stored_tensor>& layout,
                         const checkpoint& source, const sink& out) {
  const auto cancelled = request.cancelled;
  auto to = layout.begin();
  for (const auto& t : request.plan) {
    const auto& place = *to++;
    if (place.type == stored_name(dtype::i8)) {
      if (auto ok = quantize(t, place, *to++, source, out, cancelled); !ok) return ok;
      continue;
    }
    if (in_panels(t, request)) {
      if (auto ok = lay_panels(t, place, source, out, cancelled); !ok) return ok;
      continue;
    }
    std::vector<float> row;
    if (!t.plus_row.empty()) {
      auto read = read_row(source, t.plus_row, static_cast<std::uint64_t>(t.shape.back()));
      if (!read) return tl::unexpected(read.error());
      row = std::move(*read);
    }
    auto offset = place.begin;
    for (const auto& part : t.parts) {
      const auto from = source.find(part);
      if (auto ok = copy_part(from, place.type == stored_name(dtype::bf16), row, offset, out, cancelled); !ok)
        return ok;
      offset += (place.end - place.begin) / t.parts.size();
    }
  }
  return {};
}

constexpr const char* digest_key = "digest";

// An entry's head: all that it says follows from the layout, the source's name and the data's digest. Sets the
// places of `layout`.
std::string head_of(std::vector<stored_tensor>& layout, const std::string& source, const std::string& digest) {
  return make_safetensors_head(layout, {{digest_key, digest}, {ready_source, source}});
}

tl::unexpected<error> damaged(const fs::path& entry, const std::string& why) {
  return fail(error_code::unprocessable, "the store's entry " + entry.filename().string() + ' ' + why);
}

// The entry, when every byte of it is as it was written. That is looked at once a mapping, in the pass that makes
// its pages present.
result<loaded_weights> map_entry(const fs::path& entry, std::vector<stored_tensor> layout, cancel_flag cancelled) {
  auto mapped = weight_memory::map(entry);
  if (!mapped) return tl::unexpected(mapped.error());
  const auto& memory = **mapped;
  const auto header = read_safetensors(memory.bytes(), entry.string());
  if (!header) return tl::unexpected(header.error());
  const auto said = [&](const char* key) {
    const auto found = header->metadata.find(key);
    return found == header->metadata.end() ? std::string() : found->second;
  };
  const auto digest = said(digest_key);
  const auto head = head_of(layout, said(ready_source), digest);
  if (memory.bytes().size() != layout.back().end || std::memcmp(memory.bytes().data(), head.data(), head.size()) != 0)
    return damaged(entry, "does not fit the model");
  if (memory.verified()) {
    if (!memory.populate(cancelled)) return cancelled_error();
  } else {
    const auto found = memory.populate_and_digest(head.size(), cancelled);
    if (!found) return cancelled_error();
    if (found->hex() != digest) return damaged(entry, "does not hold what was written to it");
    memory.set_verified();
  }
  return loaded_weights{std::move(*mapped), std::move(layout), entry, {}};
}

// The number after the last ".v" of an entry's name; 0: none.
int version_in(const std::string& name) {
  const auto at = name.rfind(".v");
  return at == name.npos ? 0 : std::atoi(name.c_str() + at + 2);
}

// Entries of other fingerprints of this source or of an older layout, and temporary files whose writer is gone.
void remove_stale(const fs::path& entry, const std::string& source_key, const std::string& fingerprint) {
  std::error_code ignored;
  const auto current = source_key + '-' + fingerprint;
  for (const auto& e : fs::directory_iterator(entry.parent_path(), ignored)) {
    const auto name = e.path().filename().string();
    if (!name.starts_with(source_key + '-')) continue;
    if (name.ends_with(".tmp")) {
      remove_abandoned(e.path());
    } else if (!name.starts_with(current) || (name.ends_with(".safetensors") && version_in(name) < layout_version)) {
      fs::remove(e.path(), ignored);
    }
  }
}

result<void> write_entry(const weight_request& request, std::vector<stored_tensor> layout, const checkpoint& source,
                         const fs::path& entry) {
  auto file = temporary_file::create(entry);
  if (!file) return tl::unexpected(file.error());
  // JSON is UTF-8; a folder's name need not be.
  const auto& path = request.source.native();
  const auto named = simdjson::validate_utf8(path) ? path : std::string();
  const auto head_bytes = head_of(layout, named, std::string(content_digest::hex_digits, '0')).size();
  if (auto ok = file->reserve(layout.back().end); !ok) return ok;
  content_digest digest;
  std::uint64_t at = head_bytes;
  const auto out = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
    digest.add_zeros(offset - at);  // what pads the tensors
    digest.add(bytes);
    at = offset + bytes.size();
    return file->write(offset, bytes);
  };
  if (auto ok = convert_all(request, layout, source, out); !ok) return ok;
  const auto head = head_of(layout, named, digest.hex());
  if (auto ok = file->write(0, std::as_bytes(std::span(head))); !ok) return ok;
  return file->publish(entry);
}

result<loaded_weights> load_private(const weight_request& request, std::vector<stored_tensor> layout,
                                    const checkpoint& source, std::string notes) {
  make_safetensors_head(layout, {});
  // The same places as in a file, without the head.
  const auto shift = layout.front().begin;
  for (auto& t : layout) t.begin -= shift, t.end -= shift;
  auto memory = weight_memory::allocate(layout.back().end, request.account);
  if (!memory) return tl::unexpected(memory.error());
  const auto out = [&](std::uint64_t offset, std::span<const std::byte> bytes) -> result<void> {
    std::memcpy((*memory)->writable().data() + offset, bytes.data(), bytes.size());
    return {};
  };
  if (auto ok = convert_all(request, layout, source, out); !ok) return tl::unexpected(ok.error());
  return loaded_weights{std::move(*memory), std::move(layout), {}, std::move(notes)};
}

}  // namespace

std::filesystem::path store_entry(const weight_request& request) {
  // The plan is part of the name: another configuration of the same weights is another layout.
  name_hash plan;
  plan.add(request.panels ? 1 : 0);
  for (const auto& t : request.plan) {
    plan.add(t.name).add(t.plus_row).add(t.full_precision ? 1 : 0).add(t.product ? 1 : 0);
    for (const auto d : t.shape) plan.add(static_cast<std::uint64_t>(d));
    for (const auto& p : t.parts) plan.add(p);
  }
  return request.store /
         (ready_key(request.source) + '-' + request.fingerprint + '-' + plan.hex() + ".v" +
          std::to_string(layout_version) + '.' + std::string(to_string(request.target)) + ".safetensors");
}

std::filesystem::path store_note(const fs::path& store, const fs::path& source, const std::string& name) {
  constexpr int note_version = 2;  // whatever the layout's: what was chosen for vectors stays
  return store / (ready_key(source) + '-' + name + ".v" + std::to_string(note_version) + ".json");
}

std::uint64_t entry_bytes(const weight_request& request) {
  auto layout = layout_of(request);
  head_of(layout, request.source.string(), std::string(content_digest::hex_digits, '0'));
  return layout.empty() ? 0 : layout.back().end;
}

result<void> check_plan(const std::vector<planned_tensor>& plan, const checkpoint& source) {
  const auto check = [&](const std::string& name, std::vector<std::int64_t> shape, bool only_width) -> result<void> {
    const auto at = source.find(name);
    if (at.tensor == nullptr) return fail(error_code::unprocessable, "the checkpoint lacks tensor '" + name + "'");
    const bool fits =
        only_width ? at.tensor->shape.size() == 2 && at.tensor->shape[0] >= 1 && at.tensor->shape[1] == shape.back()
                   : at.tensor->shape == shape;
    if (!fits)
      return fail(error_code::unprocessable, "tensor '" + name + "' has shape " + shape_text(at.tensor->shape),
                  "config.json asks for " + shape_text(shape));
    if (!floating_type_of(at.tensor->type))
      return fail(error_code::unprocessable, "tensor '" + name + "' has dtype " + at.tensor->type,
                  "F32, F64, F16 or BF16");
    return {};
  };
  for (const auto& t : plan) {
    auto shape = t.shape;
    shape[0] /= static_cast<std::int64_t>(t.parts.size());
    for (const auto& part : t.parts)
      if (auto ok = check(part, shape, false); !ok) return ok;
    if (!t.plus_row.empty())
      if (auto ok = check(t.plus_row, {1, t.shape.back()}, true); !ok) return ok;
  }
  return {};
}

result<loaded_weights> load_weights(const weight_request& request, const checkpoint& source) {
  const auto layout = layout_of(request);
  if (request.store.empty()) return load_private(request, layout, source, {});
  const auto entry = store_entry(request);
  std::string notes;
  if (file_exists(entry)) {
    auto mapped = map_entry(entry, layout, request.cancelled);
    if (mapped || mapped.error().code == error_code::cancelled) return mapped;
    notes = mapped.error().message + "; ";
  }
  remove_stale(entry, ready_key(request.source), request.fingerprint);
  if (auto written = write_entry(request, layout, source, entry); written) {
    auto mapped = map_entry(entry, layout, request.cancelled);
    if (mapped && !notes.empty()) mapped->notes = notes + "it was made anew";
    if (mapped || mapped.error().code == error_code::cancelled) return mapped;
    notes += mapped.error().message;
  } else if (written.error().code != error_code::internal) {
    return tl::unexpected(written.error());  // the source's fault, or cancelled
  } else {
    notes += "the artifact store: " + written.error().message;
  }
  return load_private(request, layout, source, notes + "; the weights are in private memory instead");
}

}  // namespace troupe::inference
