#pragma once
// The registry keeper: owns the files of the registry, the operator's, which it reads, and that of what was registered
// at run time, which it also writes; so it is detached. What it is asked while it writes is done together with the next
// write, and comes into force together. Nothing comes into force, and nobody is answered, before it is on the disk.
//
//   register, unregister, read again -> [keeper: check, write, sync] -> supervisor: follows it, answers
//                                              | errors: answered here, nothing has changed

#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/messages.hpp"
#include "actors/residency/registered_file.hpp"

namespace troupe::actors {

struct keeper_world {
  config::registry operators;  // what its file says; the supervisor has started with it and with `file`
  std::shared_ptr<registered_file> file;
  std::uint32_t max_registered_models = 0;
  supervisor_actor supervisor;
};

// Both files together. Names that stand in both are told in the log.
config::registry whole_registry(const config::registry& operators, const registered_file& file);

class registry_keeper_core {
 public:
  registry_keeper_core(registry_keeper_actor::pointer self, keeper_world world);

  // -- messages
  void put(std::shared_ptr<const config::registered_model> model, shared_reply<registration_report> reply);
  void remove(std::string model, shared_reply<registration_report> reply);
  void reload(shared_reply<std::string> reply);
  void settle();

 private:
  struct order {
    std::string name;
    std::shared_ptr<const config::registered_model> model;  // null: the model is to be removed
    shared_reply<registration_report> reply;
  };
  void take(order o);
  void settle_later();
  bool read_files(std::vector<shared_reply<std::string>>& reloads);
  bool carry_out(const std::vector<order>& orders, registry_changes& changes);
  result<config::registration_outcome> apply(const order& o, config::registered_models& models) const;

  const registry_keeper_actor::pointer self_;
  keeper_world world_;
  std::vector<order> orders_;  // since the last settle(), as the reloads
  std::vector<shared_reply<std::string>> reloads_;
  bool settling_ = false;  // a tick is on its way
  bool behind_ = false;    // the supervisor may not know all that the files say
};

struct registry_keeper_state {
  static inline const char* name = "registry_keeper";
  std::unique_ptr<registry_keeper_core> core;
};

registry_keeper_actor::behavior_type registry_keeper(
    registry_keeper_actor::stateful_pointer<registry_keeper_state> self, const std::shared_ptr<keeper_world>& world);

}  // namespace troupe::actors
