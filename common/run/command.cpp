// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/command.h"

#include "error.h"
#include "who/users.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace needle {
namespace {

constexpr int kNotFound = 127, kNotExecutable = 126;  // the statuses of a shell

// What sudo has left in the environment: an id, or nothing.
std::optional<unsigned> sudo_id(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return {};
  unsigned id = 0;
  const char* end = text + std::strlen(text);
  if (const auto [at, error] = std::from_chars(text, end, id); error != std::errc{} || at != end || id == ~0u)
    throw BadUsage(fmt::format("{} is '{}', which is no id; say with --run-as who is to run the command", variable, text));
  return id;
}

User user_for(const std::string& run_as) {
  if (getuid() != 0) {
    if (!run_as.empty()) throw BadUsage("--run-as: only root can run a command as somebody else");
    return {getuid(), getgid(), {}};
  }
  if (!run_as.empty()) {
    const std::optional<User> user = find_user(run_as);
    if (!user) throw BadUsage(fmt::format("--run-as: there is no user '{}' in /etc/passwd", run_as));
    return *user;
  }
  const std::optional<unsigned> uid = sudo_id("SUDO_UID"), gid = sudo_id("SUDO_GID");
  if (!uid) return {0, getgid(), {}};
  const std::optional<User> user = find_user(std::to_string(*uid));
  if (!user && !gid)
    throw BadUsage(fmt::format("SUDO_UID is {}, a user without a group; say with --run-as who is to run the command", *uid));
  return {*uid, gid ? *gid : user->gid, user ? user->name : ""};
}

// Gives up what the caller does not have. Returns 0 or an errno.
int become(const User& user) {
  const bool changes = user.uid != getuid();
  if (changes) {
    const std::vector<gid_t> groups = groups_of(user);
    if (setgroups(groups.size(), groups.data()) != 0) return errno;
  }
  if ((changes || getegid() != getgid()) && setresgid(user.gid, user.gid, user.gid) != 0) return errno;
  if ((changes || geteuid() != getuid()) && setresuid(user.uid, user.uid, user.uid) != 0) return errno;
  return 0;
}

// The file to run, as a shell finds it. Returns 0 or an errno.
int find(const std::string& name, std::string& path) {
  const auto executable = [](const std::string& file) {
    struct stat st {};
    if (stat(file.c_str(), &st) != 0) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return access(file.c_str(), X_OK) == 0 ? 0 : errno;
  };
  if (name.find('/') != name.npos) return executable(path = name);
  const char* env = std::getenv("PATH");
  const std::string dirs = env ? env : "/usr/local/bin:/usr/bin:/bin";
  int error = ENOENT;
  for (std::size_t at = 0; at <= dirs.size();) {
    const std::size_t end = std::min(dirs.find(':', at), dirs.size());
    path = dirs.substr(at, end - at);
    path += path.empty() ? name : "/" + name;
    const int e = name.empty() ? ENOENT : executable(path);
    if (e == 0) return 0;
    if (e == EACCES) error = e;
    at = end + 1;
  }
  return error;
}

// Never 0, 1 or 2, which may be closed and are the command's.
void pipe_beyond_standard(int fds[2]) {
  if (pipe2(fds, O_CLOEXEC) != 0) throw Error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  for (int i = 0; i < 2; i++)
    if (fds[i] <= STDERR_FILENO) fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

// What the child says: first that it is ready, then, if the program could not be run, why.
struct Said {
  int error;
  bool is_user;  // it could not become the user
};

[[noreturn]] void child(const std::vector<std::string>& argv, const User& user, int go, int said) {
  const auto say = [said](Said s) { return write(said, &s, sizeof s); };
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::string path;
  int error = become(user);
  const bool is_user = error != 0;
  if (!error) error = find(argv[0], path);
  char c;
  if (say({error, is_user}) < 0 || error || read(go, &c, 1) != 1) _exit(1);
  execv(path.c_str(), words.data());
  if (errno == ENOEXEC) {  // a script that does not name its interpreter
    words.insert(words.begin(), const_cast<char*>("sh"));
    words[1] = path.data();
    execv("/bin/sh", words.data());
  }
  [[maybe_unused]] const ssize_t n = say({errno, false});
  _exit(1);
}

}  // namespace

Command::Command(const std::vector<std::string>& argv, const std::string& run_as) : name_(argv[0]) {
  const User user = user_for(run_as);
  int go[2], said[2];
  pipe_beyond_standard(go);
  pipe_beyond_standard(said);
  struct sigaction before {
  }, standard{};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, &before);  // who ignores it cannot wait for a child
  pid_ = fork();
  if (pid_ < 0) throw Error(fmt::format("cannot make a process: {}", std::strerror(errno)));
  if (pid_ == 0) {
    close(go[1]);
    sigaction(SIGCHLD, &before, nullptr);
    child(argv, user, go[0], said[1]);
  }
  close(go[0]), close(said[1]);
  go_ = go[1], said_ = said[0];
  fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (fd_ < 0) throw Error(fmt::format("cannot watch a process: {}", std::strerror(errno)));
  listen();
}

Command::~Command() {
  for (const int fd : {fd_, go_, said_})
    if (fd >= 0) close(fd);
}

void Command::listen() {
  Said said{};
  ssize_t n = 0;
  while ((n = read(said_, &said, sizeof said)) < 0 && errno == EINTR) {
  }
  if (n != sizeof said || said.error == 0) return;
  const bool in_path = name_.find('/') == name_.npos, missing = said.error == ENOENT || said.error == ENOTDIR;
  const char* why = missing && in_path ? "there is no such command in $PATH" : std::strerror(said.error);
  throw Error(fmt::format("cannot run {}{}: {}", name_, said.is_user ? " as another user" : "", why),
              missing ? kNotFound : kNotExecutable);
}

void Command::go() {
  [[maybe_unused]] const ssize_t n = write(go_, "g", 1);  // it may have been killed meanwhile
  listen();
}

int Command::wait() {
  for (int status = 0; !status_;)
    if (waitpid(pid_, &status, 0) == pid_ || errno != EINTR) status_ = status;
  return *status_;
}

void exit_like(int status) {
  if (WIFEXITED(status)) std::exit(WEXITSTATUS(status));
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);  // it has dumped its own
  const int signal = WTERMSIG(status);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  raise(signal);
  std::exit(128 + signal);
}

}  // namespace needle
