// As much of JSON Schema as docs/schemas uses: type, const, enum, anyOf, properties, required,
// items, additionalProperties as a schema. Used by the tests of the commands.
#pragma once

#include <string>

namespace mpsearch::test {

/// Where `text` (a JSON document) departs from docs/schemas/NAME.schema.json; empty: nowhere. A
/// keyword that this validator does not know is a departure too.
std::string departure_from_schema(const std::string& text, const std::string& name);

}  // namespace mpsearch::test
