// Numbers for equal vectors. Used while frontier graphs are built and reduced.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mpsearch::solver {

/// Numbers equal vectors equally, in order of appearance: an open hash table over one array.
class Numbering {
 public:
  int operator()(std::span<const int> key) {
    if (2 * starts_.size() > places_.size()) grow();
    const std::uint64_t hash = hash_of(key);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    std::size_t at = hash & (places_.size() - 1);
    for (; places_[at].number >= 0; at = (at + 1) & (places_.size() - 1))
      if (places_[at].tag == tag && std::ranges::equal(this->key(places_[at].number), key))
        return places_[at].number;
    places_[at] = {tag, size()};
    numbers_.insert(numbers_.end(), key.begin(), key.end());
    starts_.push_back(numbers_.size());
    return places_[at].number;
  }
  int size() const { return static_cast<int>(starts_.size()) - 1; }
  /// Until the next number is given.
  std::span<const int> key(int number) const {
    return {numbers_.data() + starts_[number], starts_[number + 1] - starts_[number]};
  }

 private:
  struct Place {
    std::uint32_t tag = 0;  // the upper half of the hash
    int number = -1;
  };

  static std::uint64_t hash_of(std::span<const int> key) {
    std::uint64_t h = key.size();
    for (const int value : key)
      h = (h ^ (static_cast<std::uint64_t>(value) + (h >> 31))) * 0x9e3779b97f4a7c15ULL;
    return h ^ (h >> 29);
  }

  void grow() {
    std::vector<Place> places(std::max<std::size_t>(64, 4 * places_.size()));
    for (int n = 0; n < size(); ++n) {
      const std::uint64_t hash = hash_of(key(n));
      std::size_t at = hash & (places.size() - 1);
      while (places[at].number >= 0) at = (at + 1) & (places.size() - 1);
      places[at] = {static_cast<std::uint32_t>(hash >> 32), n};
    }
    places_ = std::move(places);
  }

  std::vector<Place> places_;              // a power of two of them
  std::vector<int> numbers_;               // of all keys
  std::vector<std::size_t> starts_ = {0};  // of each key, and one more
};

}  // namespace mpsearch::solver
