// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

namespace needle {

Notify::Notify() : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

Notify::~Notify() {
  if (fd_ >= 0) close(fd_);
}

void Notify::watch(const std::string& path) {
  std::string above = path;
  while (!above.empty() && above.back() == '/') above.pop_back();
  do above.resize(above.find_last_of('/') == above.npos ? 0 : above.find_last_of('/'));
  while (inotify_add_watch(fd_, above.empty() ? (path[0] == '/' ? "/" : ".") : above.c_str(),
                           IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR) < 0 &&
         errno == ENOENT && !above.empty());
}

void Notify::drain() {
  for (char events[4096]; read(fd_, events, sizeof events) > 0;) {  // what they say, the directories say too
  }
}

}  // namespace needle
