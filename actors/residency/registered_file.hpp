#pragma once
// The file of the models that were registered at run time: written whole, synced and renamed, so that a crash or a
// power cut leaves the one before or the one after. Several processes may share a data_dir: a change is made under a
// lock, to what the file says then. Blocks; one thread (the registry keeper's).
//
// A file that cannot be used as a whole (an entry that this version refuses, a disk's doing) is put aside beside it as
// `.broken-N` and written anew: at the start with the entries that can be used, later with what was in force. One that
// cannot be read is never written over. Both are told by trouble().

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "config/registered_models.hpp"
#include "inference/files/files.hpp"

namespace troupe::actors {

enum class reading : std::uint8_t {
  at_start,
  on_request,       // a file that was deleted registers nothing
  before_a_change,  // only where others have written it; one that was deleted is made again with the change
};

class registered_file {
 public:
  // Gets a whole text to the disk under the path's name, or leaves what was there. Tests have it fail.
  using writer = std::function<result<void>(const std::filesystem::path&, std::string_view)>;
  static result<void> write_synced(const std::filesystem::path& path, std::string_view text);

  // `reserved`: names that it may not hold.
  registered_file(std::filesystem::path path, config::reserved_names reserved, writer write = write_synced);

  const std::filesystem::path& path() const noexcept { return path_; }
  // What is registered: as the file says, except while there is trouble.
  const config::registered_models& models() const noexcept { return models_; }
  // For people: what is wrong with the file, and may be missing from models(). Empty: nothing.
  const std::string& trouble() const noexcept { return trouble_; }

  // Reads it; no change of what is registered but by the file's.
  void read(reading how);

  struct updated {
    result<void> kept;    // an error: nothing was written, models() is without the change
    bool others = false;  // models() had changed before, by what others have written
  };
  // `change` is called once, on what is to be written; false: it has changed nothing.
  updated update(const std::function<bool(config::registered_models&)>& change);

 private:
  using lock = result<inference::file_descriptor>;
  bool look(reading how, const lock& held);
  result<void> write(const config::registered_models& models);
  void stop_writing(const error& why);

  const std::filesystem::path path_;
  const config::reserved_names reserved_;
  const writer write_;
  config::registered_models models_;
  std::optional<inference::file_state> known_;  // of the file that models_ were read from, or written to
  std::optional<error> stuck_;                  // the file may hold what we do not know: it is not written over
  std::string trouble_;
  bool swept_ = false;
};

}  // namespace troupe::actors
