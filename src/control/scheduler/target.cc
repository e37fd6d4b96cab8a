#include "control/scheduler/target.h"

namespace outrigger::control::scheduler {

std::string group_of(const Target& target) {
  std::string group = target.kind == Target::Kind::job ? "app||" : "actorreminder||";
  group += target.name_space;
  group += "||";
  group += target.kind == Target::Kind::job ? target.app_id : target.actor_type;
  group += "||";
  return group;
}

std::string prefix_of(const Target& target) {
  std::string prefix = group_of(target);
  if (target.kind == Target::Kind::actor) {
    prefix += target.actor_id;
    prefix += "||";
  }
  return prefix;
}

}  // namespace outrigger::control::scheduler
