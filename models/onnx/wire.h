// The wire format of an ONNX file, walked without Protobuf: finds damage exactly and leaves the
// large payloads of initializers out of what Protobuf has to parse. Internal to models/onnx.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace mpsearch {

/// Payloads from this size on stay in the file.
inline constexpr std::size_t kInlinePayload = 1024;

/// A ModelProto without the large payloads of its initializers, and where these lie.
struct WireModel {
  std::string skeleton;  // serialised
  /// By index of the initializer; empty where the payload is in the skeleton, or external.
  std::vector<std::span<const std::byte>> payloads;
};

/// Walks `file`. `name` is for messages. Throws BadContent with the field, the bytes that it claims
/// and the bytes that are left.
WireModel read_wire(std::span<const std::byte> file, const std::string& name);

}  // namespace mpsearch
