// Copies between our plain structs and Protobuf messages by field name, in both directions from one
// description: describe(Binder&, T&) names the fields of T once. Internal to models/stored.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "models/stored/identity.h"

namespace mpsearch {

class Binder {
 public:
  /// Reads from `value` into the message, or the other way round.
  enum class Direction { ToMessage, FromMessage };

  Binder(google::protobuf::Message& message, Direction direction)
      : message_(message), direction_(direction) {}

  template <typename T>
  Binder& operator()(const char* name, T& value) {
    bind(*field(name), value);
    return *this;
  }

 private:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  bool writes() const { return direction_ == Direction::ToMessage; }
  const google::protobuf::Reflection& access() const { return *message_.GetReflection(); }
  const Field* field(const char* name) const;

  void bind(const Field& field, std::int64_t& value);
  void bind(const Field& field, std::uint64_t& value);
  void bind(const Field& field, double& value);
  void bind(const Field& field, bool& value);
  void bind(const Field& field, std::string& value);
  void bind(const Field& field, Precision& value);
  void bind(const Field& field, std::vector<std::string>& values);
  void bind(const Field& field, std::vector<std::int64_t>& values);

  template <typename T>
  requires std::is_class_v<T>
  void bind(const Field& field, T& value) {
    Binder inner(*access().MutableMessage(&message_, &field), direction_);
    describe(inner, value);
  }

  template <typename T>
  void bind(const Field& field, std::optional<T>& value) {
    if (writes() ? !value.has_value() : !access().HasField(message_, &field)) {
      value.reset();
      return;
    }
    if (!value) value.emplace();
    bind(field, *value);
  }

  template <typename T>
  requires std::is_class_v<T>
  void bind(const Field& field, std::vector<T>& values) {
    if (!writes()) values.resize(static_cast<std::size_t>(access().FieldSize(message_, &field)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      Message* element =
          writes() ? access().AddMessage(&message_, &field)
                   : access().MutableRepeatedMessage(&message_, &field, static_cast<int>(i));
      Binder inner(*element, direction_);
      describe(inner, values[i]);
    }
  }

  Message& message_;
  Direction direction_;
};

void describe(Binder& bind, SchemaVersion& value);
void describe(Binder& bind, ModelIdentity& value);
void describe(Binder& bind, DeviceIdentity& value);
void describe(Binder& bind, TrainingSettings& value);

/// The message of `value`; M is its generated type.
template <typename M, typename T>
M to_message(T value) {
  M message;
  Binder bind(message, Binder::Direction::ToMessage);
  describe(bind, value);
  return message;
}

template <typename T, typename M>
T from_message(M message) {
  T value;
  Binder bind(message, Binder::Direction::FromMessage);
  describe(bind, value);
  return value;
}

}  // namespace mpsearch
