#pragma once
// From an actor's one-shot answer to the client's: written on the connection's thread, an error in the words of the
// route's family.

#include <memory>
#include <string>
#include <utility>

#include "actors/protocol/one_shot.hpp"
#include "http/api/replies.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// `write` makes the response. `model`: an unknown one is answered with similar names.
template <class T, class Write>
actors::one_shot<T> answer_with(const context& c, const exchange_ptr& request, std::string model, const Write& write) {
  return actors::one_shot<T>([c, request, model = std::move(model), write](result<T> r) {
    auto shared = std::make_shared<result<T>>(std::move(r));
    on_connection(request, [c, request, model, write, shared] {
      if (!*shared) return respond_error(*request, c.service, (*shared).error(), model);
      request->respond(write(**shared));
    });
  });
}

template <class T>
actors::one_shot<T> answer_json(const context& c, const exchange_ptr& request, std::string model,
                                std::string (*write)(const T&)) {
  return answer_with<T>(c, request, std::move(model), [write](const T& value) {
    response out;
    out.body = write(value);
    return out;
  });
}

}  // namespace troupe::http
