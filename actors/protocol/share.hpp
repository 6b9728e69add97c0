#pragma once
// A reply as a message carries it.

#include <memory>
#include <utility>

#include "actors/protocol/one_shot.hpp"

namespace troupe::actors {

template <class T>
shared_reply<T> share(one_shot<T> reply) {
  return std::make_shared<one_shot<T>>(std::move(reply));
}

}  // namespace troupe::actors
