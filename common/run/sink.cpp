// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/sink.h"

#include "error.h"
#include "run/message.h"
#include "run/signals.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

namespace needle {

using std::chrono::steady_clock;
using std::chrono::system_clock;

Sink::Sink(std::string output, Rotate rotate, bool shared, Beginning beginning)
    : output_(std::move(output)),
      rotate_(rotate),
      shared_(shared && output_.empty()),
      beginning_(std::move(beginning)),
      fd_(output_.empty() ? STDOUT_FILENO : open_file(true)) {
  if (fd_ < 0) throw Error(fmt::format("--output: cannot open {}: {}", output_, std::strerror(errno)));
  use(fd_);
  if (!regular_ && (rotate_.bytes > 0 || rotate_.time.count() > 0))
    throw Error(fmt::format("--rotate: {} is no regular file", output_));
}

Sink::~Sink() {
  if (!output_.empty()) close(fd_);
}

// What it tells of everybody is for its owner. Appended to: nothing is lost that was there, and who truncates it leaves no hole.
// A FIFO is not waited for while events come.
int Sink::open_file(bool wait) const {
  const int fd = open(output_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | (wait ? 0 : O_NONBLOCK), 0600);
  if (fd >= 0 && !wait) fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

void Sink::use(int fd) {
  fd_ = fd;
  struct stat st {};
  fstat(fd_, &st);
  regular_ = S_ISREG(st.st_mode);
  size_ = regular_ ? static_cast<std::uint64_t>(st.st_size) : 0;
  limit_ = rotate_.bytes;
  has_lines_ = false;
  began_ = system_clock::now();
  due_ = steady_clock::now() + rotate_.time;
}

void Sink::begin() {
  Buffer text;
  if (regular_ && size_ > 0 && !output_.empty()) {  // what somebody else left there may end within a line
    char last = '\n';
    const int fd = open(output_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && pread(fd, &last, 1, static_cast<off_t>(size_) - 1) == 1 && last != '\n') text.push_back('\n');
    if (fd >= 0) close(fd);
  }
  beginning_(text, ++part_);
  put(text);
}

void Sink::check_rotation() const {
  if (rotate_.bytes == 0 && rotate_.time.count() == 0) return;
  std::string directory = std::filesystem::path(output_).parent_path();
  if (directory.empty()) directory = ".";
  if (faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    throw Error(
        fmt::format("--rotate: no file can be made in {} once the tool has given up its privileges: {}; name one in a "
                    "directory of user {}'s",
                    directory, std::strerror(errno), geteuid()));
}

void Sink::write(std::string_view lines) {
  while (!lines.empty() && !gone_) {
    std::size_t n = lines.size();
    if (rotate_.time.count() > 0 && has_lines_ && steady_clock::now() >= due_) rotate();
    if (rotate_.bytes > 0 && size_ + n > limit_) {
      const std::size_t room = limit_ > size_ ? static_cast<std::size_t>(limit_ - size_) : 0;
      std::size_t end = room > 0 ? lines.rfind('\n', room - 1) : lines.npos;
      if (end == lines.npos && has_lines_) {
        rotate();
        continue;
      }
      if (end == lines.npos) end = lines.find('\n');  // one that is longer than a file may be
      n = std::min(end, n - 1) + 1;
    }
    put(lines.substr(0, n));
    has_lines_ = true;
    lines.remove_prefix(n);
  }
}

void Sink::put(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && !gone_) {
    std::size_t n = text.size() - at;
    // What the command writes to the same pipe comes between lines, if they are no longer than PIPE_BUF.
    if (shared_ && n > PIPE_BUF)
      if (const std::size_t end = text.substr(0, at + PIPE_BUF).rfind('\n'); end != text.npos && end >= at) n = end + 1 - at;
    if (stop_signals() > 0) {  // end soon, even if nobody reads: write only what does not block
      pollfd p{fd_, POLLOUT, 0};
      if (poll(&p, 1, stop_signals() > 1 ? 0 : 2000) == 0)
        throw Error("stopped while nothing read the output; its last lines are not written");
      if (!regular_) n = std::min<std::size_t>(n, PIPE_BUF);  // what a pipe that is ready takes at once
    }
    const ssize_t written = ::write(fd_, text.data() + at, n);
    if (written >= 0) {
      at += static_cast<std::size_t>(written);
      size_ += static_cast<std::uint64_t>(written);
    } else if (errno == EPIPE) {  // the reader has seen enough
      gone_ = true;
    } else if (errno == EAGAIN) {
      pollfd p{fd_, POLLOUT, 0};
      poll(&p, 1, 100);
    } else if (errno != EINTR) {
      const std::string why = std::strerror(errno);
      const std::size_t end = at > 0 ? text.rfind('\n', at - 1) : text.npos, whole = end == text.npos ? 0 : end + 1;
      struct stat st {};
      if (!output_.empty() && regular_ && at > whole && fstat(fd_, &st) == 0)  // the last line is to be whole
          [[maybe_unused]]
        const int result = ftruncate(fd_, st.st_size - static_cast<off_t>(at - whole));
      throw Error(fmt::format("cannot write to {}: {}", output_.empty() ? "standard output" : output_, why));
    }
  }
}

bool Sink::is_open_one(int directory_entry) const {
  struct stat there {
  }, open_one{};
  return fstat(directory_entry, &there) == 0 && fstat(fd_, &open_one) == 0 && there.st_dev == open_one.st_dev &&
         there.st_ino == open_one.st_ino;
}

void Sink::reopen() {
  if (output_.empty()) return say("there is no --output that could be opened again");
  const int fd = open_file(false);
  if (fd < 0)
    return say(fmt::format("cannot open {} again: {}; going on with the file that is open", output_, std::strerror(errno)));
  struct stat st {};
  const bool truncated = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
  if (is_open_one(fd) && !truncated) {
    close(fd);
    return;
  }
  close(std::exchange(fd_, -1));
  use(fd);
  begin();
}

// By when it began, so that names are in the order of time, and are never used twice.
std::string Sink::name_of_old() const {
  const std::time_t seconds = system_clock::to_time_t(began_);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
  std::string name = fmt::format("{}.{}", output_, stamp);
  for (int i = 1; access(name.c_str(), F_OK) == 0; i++) name = fmt::format("{}.{}-{:03}", output_, stamp, i);
  return name;
}

void Sink::rotate() {
  const auto go_on = [this](const char* what) {
    say(fmt::format("--rotate: {}: {}; going on with the file that is open", what, std::strerror(errno)));
    limit_ = size_ + rotate_.bytes;
    due_ = steady_clock::now() + rotate_.time;
  };
  const std::string old = name_of_old();
  const int there = open(output_.c_str(), O_PATH | O_CLOEXEC);
  const bool ours = there >= 0 && is_open_one(there);  // else somebody has moved it away
  if (there >= 0) close(there);
  if (ours && renameat2(AT_FDCWD, output_.c_str(), AT_FDCWD, old.c_str(), RENAME_NOREPLACE) != 0 &&
      (errno != EINVAL || rename(output_.c_str(), old.c_str()) != 0))  // EINVAL: the file system has no such way
    return go_on(fmt::format("cannot rename {} to {}", output_, old).c_str());
  const int fd = open_file(false);
  if (fd < 0) {
    const int error = errno;
    if (ours) renameat2(AT_FDCWD, old.c_str(), AT_FDCWD, output_.c_str(), RENAME_NOREPLACE);
    errno = error;
    return go_on(fmt::format("cannot make {}", output_).c_str());
  }
  close(std::exchange(fd_, -1));
  use(fd);
  begin();
}

}  // namespace needle
