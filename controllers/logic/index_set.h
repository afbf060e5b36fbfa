/// A set of numbers as ranges, in the notation of a Job's status: "0-4,7".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::logic {

/// Numbers from 0 on. Cheap where they lie close together.
class IndexSet {
 public:
  /// Total: what cannot be read is left out.
  static IndexSet parse(std::string_view text);
  /// Three and more numbers in a row become "first-last". Source: Kubernetes, batch/v1 JobStatus.
  std::string str() const;

  bool contains(int index) const;
  /// False when it was in already.
  bool insert(int index);
  /// Drop `first` and all above.
  void erase_from(int first);
  /// The lowest number from `from` on that is not in.
  int next_absent(int from) const;
  bool empty() const { return ranges_.empty(); }
  std::int64_t size() const;
  /// All of them, ascending.
  std::vector<int> members() const;
  /// How many are in both.
  std::int64_t common(const IndexSet& other) const;

  bool operator==(const IndexSet&) const = default;

 private:
  void insert_range(int first, int last);

  std::map<int, int> ranges_;  ///< first → last; neither touching nor overlapping
};

}  // namespace millrace::logic
