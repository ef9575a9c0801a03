// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Reads files that others write, and may have prepared for us.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>
#include <utility>
#include <vector>

namespace needle {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// A directory, given by one that only root can replace, and a path below it where no link is
// followed. In a user's own place no mount is entered either: it could be one that blocks.
struct Place {
  std::string base, below;
  bool users = false;
};

// Which file it is, and which content of it: what has the same need not be read again.
struct FileId {
  dev_t dev = 0;
  ino_t inode = 0;  // 0: there is no such file
  off_t size = 0;
  timespec changed{};
  bool operator==(const FileId& o) const {
    return dev == o.dev && inode == o.inode && size == o.size && changed.tv_sec == o.changed.tv_sec &&
           changed.tv_nsec == o.changed.tv_nsec;
  }
};

class Disk {
 public:
  explicit Disk(const std::string& root);  // where the system's file tree is

  // Empty if there is no such file, or it is none to read: large, a FIFO, a device, behind a link.
  // `id` becomes that of what is read.
  std::string read(const Place&, const std::string& path, FileId* id = nullptr) const;
  FileId identify(const Place&, const std::string& path) const;
  bool has(const Place&, const std::string& path) const;
  // Some, if they are more than `most`.
  std::vector<std::string> directories(const Place&, const std::string& path, std::size_t most = 64) const;

 private:
  Fd open_below(const Place&, const std::string& path, int flags) const;
  Fd root_;
};

}  // namespace needle
