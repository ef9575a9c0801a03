// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace needle {
namespace {

constexpr off_t kLargest = 1 << 20, kSizeless = 1 << 16;  // those of /proc say 0

Fd open_at(int dir, const std::string& path, int flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = resolve;
  return Fd(static_cast<int>(syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how)));
}

FileId id_of(const struct stat& st) { return {st.st_dev, st.st_ino, st.st_size, st.st_mtim}; }

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Disk::Disk(const std::string& root) : root_(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Fd Disk::open_below(const Place& place, const std::string& path, int flags) const {
  const Fd base = open_at(root_.get(), place.base, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
  if (!base) return Fd();
  return open_at(base.get(), place.below.empty() ? path : place.below + "/" + path, flags,
                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | (place.users ? RESOLVE_NO_XDEV : 0));
}

std::string Disk::read(const Place& place, const std::string& path, FileId* id) const {
  struct stat st {};
  const Fd fd = open_below(place, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd || fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > kLargest) return {};
  if (id) *id = id_of(st);
  std::string text(static_cast<std::size_t>(st.st_size > 0 ? st.st_size : kSizeless), '\0');
  std::size_t size = 0;
  for (ssize_t n; size < text.size() && (n = ::read(fd.get(), text.data() + size, text.size() - size)) > 0;)
    size += static_cast<std::size_t>(n);
  text.resize(size);
  return text;
}

FileId Disk::identify(const Place& place, const std::string& path) const {
  struct stat st {};
  const Fd fd = open_below(place, path, O_PATH);
  return fd && fstat(fd.get(), &st) == 0 ? id_of(st) : FileId{};
}

bool Disk::has(const Place& place, const std::string& path) const { return static_cast<bool>(open_below(place, path, O_PATH)); }

std::vector<std::string> Disk::directories(const Place& place, const std::string& path, std::size_t most) const {
  std::vector<std::string> names;
  Fd fd = open_below(place, path, O_RDONLY | O_DIRECTORY);
  if (!fd) return names;
  DIR* dir = fdopendir(fd.release());
  while (const dirent* entry = names.size() < most ? readdir(dir) : nullptr)
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  closedir(dir);
  return names;
}

}  // namespace needle
