#include "search/cli/output.h"

#include <nlohmann/json.hpp>

namespace mpsearch {

void print_json(Console& console, const nlohmann::ordered_json& value) {
  console.print(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace mpsearch
