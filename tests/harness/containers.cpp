// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "containers.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace harness {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const Args kSleep = {"/bin/sleep", "1000"};
constexpr const char* kContainerdSocket = "/run/containerd/containerd.sock";
constexpr const char* kDockerSocket = "/run/docker/docker.sock";

Args operator+(Args a, const Args& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string line(std::string s) {
  if (!s.empty() && s.back() == '\n') s.pop_back();
  return s;
}

Result must(const Args& command, const std::string& input = {}) {
  const Result r = run(command, input);
  if (r.status != 0) {
    std::string words;
    for (const std::string& w : command) words += w + " ";
    FAIL(words << "ended with status " << r.status << ": " << r.err);
  }
  return r;
}

bool serves(const char* socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path, sizeof address.sun_path - 1);
  const int fd = static_cast<int>(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

std::unique_ptr<Daemon> start_containerd() {
  enter_private_runtimes();
  // Without the plugins that would write elsewhere, or serve what is not used here.
  const std::string config = "/run/containerd/config.toml";
  std::ofstream(config) << "version = 2\ndisabled_plugins = [\"io.containerd.internal.v1.opt\", \"io.containerd.grpc.v1.cri\"]\n";
  return std::make_unique<Daemon>(Args{"containerd", "--config", config}, [] { return serves(kContainerdSocket); });
}

}  // namespace

void enter_private_runtimes() {
  static bool entered = false;
  if (std::exchange(entered, true)) return;
  check(unshare(CLONE_NEWNS), "unshare");
  check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount / private");
  for (const char* dir :
       {"/run/containerd", "/run/docker", "/run/runc", "/var/lib/containerd", "/var/lib/docker", "/etc/docker"}) {
    fs::create_directories(dir);
    check(mount("needle-test", dir, "tmpfs", 0, "mode=711"), dir);
  }
}

Rootfs::Rootfs() {
  for (const char* d : {"bin", "dev", "etc", "proc", "sys", "tmp"}) fs::create_directory(dir_ / d);
  check(chmod(path().c_str(), 0755), "chmod");  // a container's user must get in
  const auto busybox = run({"sh", "-c", "command -v busybox"});
  fs::copy_file(line(busybox.out), dir_ / "bin/busybox");
  for (const std::string name : {"sh", "cat", "ls", "sleep", "true", "touch", "chmod"})
    fs::create_symlink("busybox", dir_ / ("bin/" + name));
}

Daemon::Daemon(const Args& command, std::function<bool()> ready) {
  const std::string log = dir_ / "log";
  pid_ = static_cast<pid_t>(check(fork(), "fork"));
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
    dup2(fd, 1);
    dup2(fd, 2);
    std::vector<char*> words;
    for (const std::string& w : command) words.push_back(const_cast<char*>(w.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(127);
  }
  for (const auto end = std::chrono::steady_clock::now() + 60s; !ready();) {
    int status = 0;
    const bool ended = waitpid(pid_, &status, WNOHANG) == pid_;
    if (ended) pid_ = -1;
    if (ended || std::chrono::steady_clock::now() > end)
      FAIL(command[0] << (ended ? " ended at once: " : " does not serve: ") << slurp(log));
    std::this_thread::sleep_for(10ms);
  }
}

Daemon::~Daemon() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

Runc::Runc() { enter_private_runtimes(); }

Runc::~Runc() {
  for (const std::string& name : started_) harness::run({"runc", "delete", "--force", name});
}

std::string Runc::bundle(const std::string& name, const Args& command) {
  const std::string dir = dir_ / name;
  fs::create_directory(dir);
  must({"runc", "spec", "--bundle", dir});
  Json config = Json::parse(slurp(dir + "/config.json"));
  config["process"]["terminal"] = false;
  config["process"]["args"] = command;
  config["process"].erase("rlimits");  // to raise them may be forbidden
  config["root"] = {{"path", rootfs.path()}, {"readonly", false}};
  std::ofstream(dir + "/config.json") << config;
  return dir;
}

void Runc::start(const std::string& name) {
  // By a shell: the container keeps its standard streams, and run() waits for their end.
  must({"sh", "-c", "exec runc run --detach --bundle \"$0\" \"$1\" </dev/null >/dev/null 2>&1", bundle(name, kSleep), name});
  started_.push_back(name);
}

Result Runc::run(const std::string& name, const Args& command) {
  return harness::run({"runc", "run", "--bundle", bundle(name, command), name});
}

Result Runc::exec(const std::string& name, const Args& command) { return harness::run(Args{"runc", "exec", name} + command); }

void Runc::remove(const std::string& name) {
  must({"runc", "delete", "--force", name});
  std::erase(started_, name);
}

pid_t Runc::pid(const std::string& name) { return Json::parse(must({"runc", "state", name}).out)["pid"].get<pid_t>(); }

Containerd::Containerd(std::string ns, std::map<std::string, std::string> annotations)
    : ns_(std::move(ns)), annotations_(std::move(annotations)), daemon_(start_containerd()) {}

Containerd::~Containerd() {
  for (const std::string& name : started_) {
    harness::run(ctr({"task", "delete", "--force", name}));
    harness::run(ctr({"container", "delete", name}));
  }
}

Args Containerd::ctr(const Args& args) const { return Args{"ctr", "-n", ns_} + args; }

Args Containerd::new_container(const Args& options, const std::string& name, const Args& command) const {
  Args args{"run", "--rootfs"};
  for (const auto& [key, value] : annotations_) args = args + Args{"--annotation", key + "=" + value};
  return ctr(args + options + Args{rootfs.path(), name} + command);
}

void Containerd::start(const std::string& name) {
  must(new_container({"--detach"}, name, kSleep));
  started_.push_back(name);
}

Result Containerd::run(const std::string& name, const Args& command) {
  return harness::run(new_container({"--rm"}, name, command));
}

Result Containerd::exec(const std::string& name, const Args& command) {
  static int n = 0;
  return harness::run(ctr(Args{"task", "exec", "--exec-id", "exec-" + std::to_string(n++), name} + command));
}

void Containerd::remove(const std::string& name) {
  must(ctr({"task", "delete", "--force", name}));
  must(ctr({"container", "delete", name}));
  std::erase(started_, name);
}

pid_t Containerd::pid(const std::string& name) {
  std::istringstream lines(must(ctr({"task", "list"})).out);
  std::string task, pid, rest;
  while (lines >> task >> pid && std::getline(lines, rest))
    if (task == name) return static_cast<pid_t>(std::stol(pid));
  FAIL("ctr does not list " << name);
  return -1;
}

Docker::Docker(Args options, Args of_daemon) : options_(std::move(options)), containerd_(start_containerd()) {
  daemon_ = std::make_unique<Daemon>(
      Args{"dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--containerd", kContainerdSocket, "--host",
           std::string("unix://") + kDockerSocket, "--pidfile", "/run/docker/docker.pid"} +
          of_daemon,
      [] { return serves(kDockerSocket); });
  const Rootfs rootfs;
  must({"sh", "-c", "tar -C \"$0\" -c . | docker -H \"$1\" import - \"$2\"", rootfs.path(),
        std::string("unix://") + kDockerSocket, kImage});
}

Docker::~Docker() {
  for (const std::string& name : started_) docker({"rm", "--force", name});
}

Result Docker::docker(const Args& args) const {
  return harness::run(Args{"docker", "-H", std::string("unix://") + kDockerSocket} + args);
}

std::string Docker::must_docker(const Args& args) const {
  const Result r = docker(args);
  if (r.status != 0) FAIL("docker " << args[0] << ": " << r.err);
  return line(r.out);
}

void Docker::create(const std::string& name, const Args& options, const Args& command) {
  // Unconfined: the default profile takes apparmor_parser, which need not be there.
  ids_[name] = must_docker(Args{"create", "--network", "none", "--security-opt", "apparmor=unconfined", "--name", name} +
                           options + options_ + Args{kImage} + command);
}

void Docker::start(const std::string& name) {
  create(name, {}, kSleep);
  started_.push_back(name);
  must_docker({"start", name});
}

Result Docker::run(const std::string& name, const Args& command) {
  create(name, {"--rm"}, command);
  return docker({"start", "--attach", name});
}

Result Docker::exec(const std::string& name, const Args& command) { return docker(Args{"exec", name} + command); }

void Docker::remove(const std::string& name) {
  must_docker({"rm", "--force", name});
  std::erase(started_, name);
}

pid_t Docker::pid(const std::string& name) {
  return static_cast<pid_t>(std::stol(must_docker({"inspect", "--format", "{{.State.Pid}}", name})));
}

std::string Docker::id(const std::string& name) { return ids_.at(name); }

std::string cgroup_path(pid_t pid) {
  std::istringstream lines(slurp("/proc/" + std::to_string(pid) + "/cgroup"));
  for (std::string s; std::getline(lines, s);)
    if (s.starts_with("0::")) return s.substr(3);
  FAIL("process " << pid << " is in no unified hierarchy");
  return {};
}

}  // namespace harness
