// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/cgroup_watch.h"

#include "error.h"
#include "run/message.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace needle {

CgroupWatch::CgroupWatch(int map, std::vector<std::string> paths) : map_(map), notify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  for (std::string& path : paths) {
    directories_.push_back({std::move(path)});
    Directory& d = directories_.back();
    watch(d.path);
    update(d, static_cast<std::uint32_t>(directories_.size() - 1));
    if (error_) throw Error(fmt::format("--cgroup: {}: {}", d.path, std::strerror(error_)));
  }
}

void CgroupWatch::tell_absent() const {
  for (const Directory& d : directories_)
    if (d.inode == 0) say(fmt::format("--cgroup: there is no {} yet; waiting for it", d.path));
}

CgroupWatch::~CgroupWatch() {
  if (notify_ >= 0) close(notify_);
}

// Watches the directory's parent, or what there is of the path to it: the nearest one hears of the next.
void CgroupWatch::watch(const std::string& path) {
  std::string above = path;
  while (!above.empty() && above.back() == '/') above.pop_back();
  do above.resize(above.find_last_of('/') == above.npos ? 0 : above.find_last_of('/'));
  while (inotify_add_watch(notify_, above.empty() ? (path[0] == '/' ? "/" : ".") : above.c_str(),
                           IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR) < 0 &&
         errno == ENOENT && !above.empty());
}

bool CgroupWatch::update(Directory& d, std::uint32_t index) {
  const int fd = open(d.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
  for (char events[4096]; read(notify_, events, sizeof events) > 0;) {  // what they say, the directories say too
  }
  for (std::uint32_t i = 0; i < directories_.size(); i++) {
    Directory& d = directories_[i];
    const std::uint64_t before = d.inode;
    watch(d.path);
    if (!update(d, i)) continue;
    say(error_ != 0    ? fmt::format("--cgroup: {} is there, but cannot be looked for: {}", d.path, std::strerror(error_))
        : d.inode == 0 ? fmt::format("--cgroup: {} is gone; waiting for it to come back", d.path)
        : before == 0  ? fmt::format("--cgroup: {} is there", d.path)
                       : fmt::format("--cgroup: {} has been made again", d.path));
  }
}

}  // namespace needle
