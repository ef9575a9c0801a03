// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/file_watch.h"

#include "error.h"
#include "print/text.h"
#include "run/message.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace needle {
namespace {

bool same(const file_id& a, const file_id& b) { return a.ino == b.ino && a.dev == b.dev && a.generation == b.generation; }

std::string shown(const std::string& path) {
  Buffer line;
  put_text(line, path, Blanks::single);
  return std::string(line.begin(), line.end());
}

}  // namespace

FileWatch::FileWatch(bpf_program* find, watched_files* programs, const std::vector<std::string>& paths)
    : find_(find), programs_(programs) {
  for (const std::string& path : paths) {
    files_.push_back({path});
    notify_.watch(path);
    update(files_.back(), files_.size() - 1);
  }
}

void FileWatch::tell_absent() const {
  for (const File& f : files_)
    if (f.ids[0].ino == 0) say(fmt::format("--file: there is no {} yet; waiting for it", shown(f.path)));
}

std::uint64_t FileWatch::capabilities() const {
  return 1ull << CAP_BPF | 1ull << CAP_DAC_READ_SEARCH;  // to have `find` run; to look where only others may
}

bool FileWatch::update(File& f, std::size_t index) {
  const int fd = open(f.path.c_str(), O_PATH | O_CLOEXEC);
  std::memset(programs_->found, 0, sizeof programs_->found);
  if (fd >= 0) {
    programs_->fd = fd;
    LIBBPF_OPTS(bpf_test_run_opts, run);
    const int error = bpf_prog_test_run_opts(bpf_program__fd(find_), &run);
    close(fd);
    if (error) throw Error(fmt::format("--file: cannot find out what {} is: {}", shown(f.path), std::strerror(-error)));
  }
  if (std::equal(f.ids, f.ids + 2, programs_->found, same)) return false;
  const bool other = !same(f.ids[0], programs_->found[0]);
  std::copy(programs_->found, programs_->found + 2, f.ids);
  std::copy(f.ids, f.ids + 2, programs_->ids + 2 * index);
  return other;
}

void FileWatch::look() {
  notify_.drain();
  for (std::size_t i = 0; i < files_.size(); i++) {
    File& f = files_[i];
    const bool was_there = f.ids[0].ino != 0;
    notify_.watch(f.path);
    if (!update(f, i)) continue;
    say(f.ids[0].ino == 0 ? fmt::format("--file: {} is gone; waiting for it to come back", shown(f.path))
        : was_there       ? fmt::format("--file: {} is another file now, which is looked for instead", shown(f.path))
                          : fmt::format("--file: {} is there", shown(f.path)));
  }
}

}  // namespace needle
