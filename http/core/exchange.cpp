#include "http/core/exchange.hpp"

#include "http/core/errors.hpp"

namespace troupe::http {

response exchange::error_answer(const error& why, header_list headers) const {
  return words_ ? words_(why, request_id(), std::move(headers)) : error_response(why, request_id(), std::move(headers));
}

}  // namespace troupe::http
