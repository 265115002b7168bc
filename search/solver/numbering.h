// Numbers for equal vectors. Used while frontier graphs are built and reduced.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace mpsearch::solver {

/// Numbers equal vectors equally, in order of appearance.
class Numbering {
 public:
  int operator()(const std::vector<int>& key) {
    const auto [entry, fresh] = known_.try_emplace(key, static_cast<int>(known_.size()));
    if (fresh) keys_.push_back(&entry->first);
    return entry->second;
  }
  int size() const { return static_cast<int>(keys_.size()); }
  const std::vector<int>& key(int number) const { return *keys_[number]; }

 private:
  struct Hash {
    std::size_t operator()(const std::vector<int>& key) const {
      std::uint64_t h = key.size();
      for (const int value : key)
        h = (h ^ (static_cast<std::uint64_t>(value) + (h >> 31))) * 0x9e3779b97f4a7c15ULL;
      return h ^ (h >> 29);
    }
  };
  std::unordered_map<std::vector<int>, int, Hash> known_;
  std::vector<const std::vector<int>*> keys_;
};

}  // namespace mpsearch::solver
