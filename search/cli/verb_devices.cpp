#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "runtime/backend.h"
#include "search/cli/output.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

int run(const Invocation&, Console& console) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const char* name : {"cpu", "cuda"}) {
    nlohmann::ordered_json entry{{"device", name}};
    std::vector<std::string> row{name};
    try {
      const DeviceIdentity identity = make_backend(name, 0)->identity();
      entry["available"] = true;
      entry["name"] = identity.name;
      entry["threads"] = identity.threads;
      entry["libraries"] = identity.libraries;
      row.insert(row.end(), {"yes", identity.name, std::to_string(identity.threads),
                             fmt::format("{}", fmt::join(identity.libraries, ", "))});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Unavailable) throw;
      entry["available"] = false;
      entry["why"] = error.text().why.empty() ? error.text().what : error.text().why;
      row.insert(row.end(), {"no", "", "", entry["why"].get<std::string>()});
    }
    list.push_back(std::move(entry));
    rows.push_back(std::move(row));
  }
  if (console.json()) {
    print_json(console, {{"devices", list}});
  } else {
    console.print(table_text({{"device"},
                              {"here"},
                              {"name"},
                              {"threads", Align::Right},
                              {"libraries", Align::Left, true}},
                             rows, console.width()));
  }
  return 0;
}

}  // namespace

Verb devices_verb() {
  return {.name = "devices",
          .summary = "the devices that are here, with their libraries",
          .examples = {"devices"},
          .run = run};
}

}  // namespace mpsearch
