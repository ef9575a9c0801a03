// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/cgroup_watch.h"

#include "error.h"
#include "run/message.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <mntent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

namespace needle {

namespace {

namespace fs = std::filesystem;

// What it is called in messages, with the option.
std::string shown(const std::string& path, const std::string& unit) {
  return unit.empty() ? "--cgroup: " + path : "--unit: " + unit;
}

// The directory of a unit of systemd's: in the root, or in one of the slices, of which each is in the one above. Not what users make
// below that: they may take any name. `look_at` is called for each of the slices. Empty: it is not there.
std::string unit_directory(const fs::path& slice, const std::string& unit, const std::function<void(const fs::path&)>& look_at) {
  look_at(slice);
  std::error_code error;
  if (fs::is_directory(slice / unit, error)) return slice / unit;
  for (fs::directory_iterator at(slice, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->path().extension() != ".slice" || !at->is_directory(ignored)) continue;
    if (std::string found = unit_directory(at->path(), unit, look_at); !found.empty()) return found;
  }
  return {};
}

}  // namespace

std::string cgroup_mount() {
  const std::unique_ptr<FILE, int (*)(FILE*)> mounts(setmntent("/proc/self/mounts", "r"), endmntent);
  for (const mntent* m; mounts && (m = getmntent(mounts.get()));)
    if (std::string_view(m->mnt_type) == "cgroup2") return m->mnt_dir;
  return {};
}

CgroupWatch::CgroupWatch(int map, const std::vector<std::string>& paths, const std::vector<std::string>& units) : map_(map) {
  for (const std::string& path : paths) directories_.push_back({path, {}});
  for (const std::string& unit : units) directories_.push_back({{}, unit});
  for (std::uint32_t i = 0; i < directories_.size(); i++) {
    Directory& d = directories_[i];
    find(d);
    update(d, i);
    if (error_) throw Error(fmt::format("{}: {}", shown(d.path, d.unit), std::strerror(error_)));
  }
}

void CgroupWatch::tell_absent() const {
  for (const Directory& d : directories_)
    if (d.inode == 0)
      say(d.unit.empty() ? fmt::format("--cgroup: there is no {} yet; waiting for it", d.path)
                         : fmt::format("--unit: {} does not run yet; waiting for it", d.unit));
}

// Sees to it that its coming is heard of, too.
void CgroupWatch::find(Directory& d) {
  if (d.unit.empty()) return notify_.watch(d.path);
  if (const std::string mount = cgroup_mount(); !mount.empty())
    d.path = unit_directory(mount, d.unit, [this](const fs::path& slice) { notify_.watch(slice / "any"); });
}

std::uint64_t CgroupWatch::capabilities() const {
  return 1ull << CAP_BPF;  // to tell the programs of a new one; before Linux 5.19 every look at a map takes it
}

bool CgroupWatch::update(Directory& d, std::uint32_t index) {
  const int fd = d.path.empty() ? -1 : open(d.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat status {};
  const std::uint64_t inode = fd >= 0 && fstat(fd, &status) == 0 ? status.st_ino : 0;
  const bool changed = inode != d.inode;
  // An entry that stays would hold the cgroup that is gone.
  if (changed && inode == 0) bpf_map_delete_elem(map_, &index);
  error_ = changed && inode != 0 && bpf_map_update_elem(map_, &index, &fd, BPF_ANY) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  d.inode = inode;
  return changed;
}

void CgroupWatch::look() {
  notify_.drain();
  for (std::uint32_t i = 0; i < directories_.size(); i++) {
    Directory& d = directories_[i];
    const std::uint64_t before = d.inode;
    find(d);
    if (!update(d, i)) continue;
    const std::string name = shown(d.path, d.unit);
    say(error_ != 0    ? fmt::format("{} is there, but cannot be looked for: {}", name, std::strerror(error_))
        : d.inode == 0 ? fmt::format("{} is gone; waiting for it to come back", name)
        : before == 0  ? fmt::format("{} is there", name)
                       : fmt::format("{} has been made again", name));
  }
}

}  // namespace needle
