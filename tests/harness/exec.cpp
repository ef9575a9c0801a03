// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace harness {
namespace {

constexpr int kTruthFd = 9;

std::string read_all(int fd) {
  std::string all;
  char buffer[1 << 16];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  return all;
}

}  // namespace

const Json& Executed::only() const {
  if (events.size() != 1) FAIL(events.size() << " events: " << Json(events).dump());
  return events[0];
}

Json Executed::args() const {
  Json all = Json::array();
  for (std::size_t at = 0, end; (end = argv.find('\0', at)) != argv.npos; at = end + 1) all.push_back(argv.substr(at, end - at));
  return all;
}

Executed executed(const Args& args, std::function<void()> deed) {
  int go[2], truth[2];
  check(pipe2(go, O_CLOEXEC), "pipe2");
  check(pipe2(truth, O_CLOEXEC), "pipe2");
  Executed result;
  result.pid = static_cast<pid_t>(check(fork(), "fork"));
  if (result.pid == 0) {
    char c;
    close(go[1]), close(truth[0]);
    if (read(go[0], &c, 1) != 1) _exit(255);
    dup2(truth[1], kTruthFd);
    fcntl(kTruthFd, F_SETFD, 0);
    try {
      deed();
    } catch (...) {
      _exit(254);
    }
    _exit(errno);
  }
  close(go[0]), close(truth[1]);
  Args all{"-p", std::to_string(result.pid)};
  all.insert(all.end(), args.begin(), args.end());
  Tracer tracer("execsnoop", all);
  check(write(go[1], "g", 1), "write");
  result.argv = read_all(truth[0]);
  int status = 0;
  waitpid(result.pid, &status, 0);
  close(go[1]);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  tracer.stop();
  CHECK(tracer.status() == 0);
  if (args[0] == "-j") {
    CHECK(tracer.lost() == 0);
    result.events = tracer.events();
  } else {
    result.lines = tracer.lines();
  }
  return result;
}

std::string argv_program(const std::string& path, mode_t mode) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_argv";
  std::filesystem::copy_file(program, path);
  check(chmod(path.c_str(), mode), path.c_str());
  return path;
}

Words::Words(std::vector<std::string> words) : words_(std::move(words)) {
  for (std::string& w : words_) pointers_.push_back(w.data());
  pointers_.push_back(nullptr);
}

char* low_words(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> pointers;
  for (const std::string& w : words) pointers.push_back(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(low(w))));
  pointers.push_back(0);
  return low(pointers.data(), pointers.size() * sizeof pointers[0]);
}

}  // namespace harness
