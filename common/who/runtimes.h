// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the container runtimes have written to disk.
#pragma once

#include "who/container.h"
#include "who/disk.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace needle {

// The file that told it.
struct Source {
  Place place;
  std::string path;
  FileId id;
};

struct Description {
  Container container;
  std::string cgroup;  // the container's own
  Source source;
};

// Calls `f` for the first component of a path, the first two, and so on, until it returns true.
template <class F> void for_each_prefix(std::string_view path, F f) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (f(path.substr(0, end)) || end == path.npos) return;
  }
}

// The user whose files tell of a path's cgroup that is so many components below the root; 0: the system's.
unsigned owner_of(std::string_view path, std::size_t level, const Delegated&);

class Runtimes {
 public:
  explicit Runtimes(const std::string& root) : disk_(root) {}

  // The outermost container of this path that some runtime's state knows: by the outermost of `names`, or because the
  // state names the very cgroup. None if nothing is known (yet).
  std::optional<Description> describe(std::string_view path, const std::vector<CgroupName>& names, const Delegated&);

  // Of the source's file as it is now.
  FileId identify(const Source& s) const { return disk_.identify(s.place, s.path); }

 private:
  friend class Look;

  // One of podman's files, which are of many containers: read once.
  struct Stored {
    std::string name, metadata;
  };
  struct Storage {
    unsigned owner;
    FileId id;
    std::unordered_map<std::string, Stored> containers;
    std::uint64_t used;
  };
  const Stored* stored(unsigned owner, const Place&, const std::string& path, const std::string& id, FileId& file);

  const std::string& home_of(unsigned uid);

  // Where dockerd keeps its data, by the command lines of those that run.
  const std::vector<Place>& docker_roots();

  Disk disk_;
  std::map<std::string, Storage> storages_;  // by place and path
  std::uint64_t uses_ = 0;
  FileId passwd_;
  std::unordered_map<unsigned, std::string> homes_;
  std::vector<Place> docker_roots_;
  std::chrono::steady_clock::time_point daemons_looked_{};
};

}  // namespace needle
