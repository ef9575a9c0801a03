// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Real containers, made by the real runtimes.
#pragma once

#include "harness.h"

#include <map>
#include <memory>

namespace harness {

// Puts the calling thread, and what it starts from then on (daemons, tracers), into a mount
// namespace of its own in which the runtimes' directories (/run/containerd, /var/lib/docker, ...)
// are empty: what runs on the machine is neither seen nor touched, and test processes do not meet.
void enter_private_runtimes();

// A directory tree with busybox at /bin/busybox and a few links to it, to be a container's root.
class Rootfs {
 public:
  Rootfs();
  const std::string& path() const { return dir_.path(); }  // files put here are in the containers of runc and ctr

 private:
  TempDir dir_;
};

// A program that serves until it is ended. FAILs, with its log, if it is not ready in time.
class Daemon {
 public:
  Daemon(const Args& command, std::function<bool()> ready);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  pid_t pid_ = -1;
  TempDir dir_;
};

// The containers of a test are ended with the runtime. Their names are those of cgroups too, which
// all processes share: each test has its own. Commands are given by full path; what fails, FAILs.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual void start(const std::string& name) = 0;                        // a container that sleeps
  virtual Result run(const std::string& name, const Args& command) = 0;   // one that lives for this command
  virtual Result exec(const std::string& name, const Args& command) = 0;  // in one that was started
  virtual void remove(const std::string& name) = 0;                       // one that was started
  virtual pid_t pid(const std::string& name) = 0;                         // its init, as the host sees it
  virtual std::string id(const std::string& name) { return name; }        // also once it is gone
};

class Runc : public Runtime {
 public:
  Runc();
  ~Runc() override;
  void start(const std::string& name) override;
  Result run(const std::string& name, const Args& command) override;
  Result exec(const std::string& name, const Args& command) override;
  void remove(const std::string& name) override;
  pid_t pid(const std::string& name) override;

  Rootfs rootfs;

 private:
  std::string bundle(const std::string& name, const Args& command);
  TempDir dir_;
  std::vector<std::string> started_;
};

// containerd, by ctr. In the namespace k8s.io, with the annotations of Kubernetes, it leaves on
// disk what Kubernetes leaves.
class Containerd : public Runtime {
 public:
  explicit Containerd(std::string ns = "default", std::map<std::string, std::string> annotations = {});
  ~Containerd() override;
  void start(const std::string& name) override;
  Result run(const std::string& name, const Args& command) override;
  Result exec(const std::string& name, const Args& command) override;
  void remove(const std::string& name) override;
  pid_t pid(const std::string& name) override;

  Rootfs rootfs;

 private:
  Args ctr(const Args& args) const;
  Args new_container(const Args& options, const std::string& name, const Args& command) const;
  std::string ns_;
  std::map<std::string, std::string> annotations_;
  std::vector<std::string> started_;
  std::unique_ptr<Daemon> daemon_;
};

class Docker : public Runtime {
 public:
  explicit Docker(Args options = {}, Args of_daemon = {});  // of docker run, of dockerd
  ~Docker() override;
  void start(const std::string& name) override;
  Result run(const std::string& name, const Args& command) override;
  Result exec(const std::string& name, const Args& command) override;
  void remove(const std::string& name) override;
  pid_t pid(const std::string& name) override;
  std::string id(const std::string& name) override;

  static constexpr const char* kImage = "needle/test:1";
  Result docker(const Args& args) const;

 private:
  void create(const std::string& name, const Args& options, const Args& command);
  std::string must_docker(const Args& args) const;
  Args options_;
  std::map<std::string, std::string> ids_;
  std::vector<std::string> started_;
  std::unique_ptr<Daemon> containerd_, daemon_;
};

// The path of the process's cgroup in the unified hierarchy.
std::string cgroup_path(pid_t pid);

}  // namespace harness
