// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Sockets for the actors of network tests: loopback, or a network namespace of their own.
#pragma once

#include "harness.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace harness {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  std::string ip() const {  // as connectsnoop prints it: v4-mapped as IPv4
    char text[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET) {
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text, sizeof text);
      return text;
    }
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text, sizeof text);
    return std::strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
  }
  int port() const { return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port); }  // of both families
};

inline Address ip_address(const std::string& ip, int port) {
  Address a;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
  if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    a.size = sizeof *v4;
  } else {
    std::memset(&a.storage, 0, sizeof a.storage);
    inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    a.size = sizeof *v6;
  }
  v4->sin_port = htons(static_cast<uint16_t>(port));
  return a;
}

// A name that begins with NUL is abstract.
inline Address unix_address(const std::string& name) {
  Address a;
  auto* un = reinterpret_cast<sockaddr_un*>(&a.storage);
  un->sun_family = AF_UNIX;
  name.copy(un->sun_path, sizeof un->sun_path);
  a.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (!name.empty() && name[0] ? 1 : 0));
  return a;
}

inline Address local_of(int fd) {
  Address a;
  a.size = sizeof a.storage;
  check(getsockname(fd, a.get(), &a.size), "getsockname");
  return a;
}

inline int new_socket(int family, int type, int protocol = 0) {
  return static_cast<int>(check(socket(family, type, protocol), "socket"));
}

// A bound socket; a stream one listens.
inline int server(const Address& a, int type = SOCK_STREAM, int protocol = 0, int backlog = 4096) {
  const int fd = new_socket(a.storage.ss_family, type, protocol);
  check(bind(fd, a.get(), a.size), "bind");
  if (type != SOCK_DGRAM) check(listen(fd, backlog), "listen");
  return fd;
}

// A port that nobody listens at, and that stays taken, so that no socket connects to itself.
inline Address closed_port() {
  const int fd = new_socket(AF_INET, SOCK_STREAM);
  const Address any = ip_address("127.0.0.1", 0);
  check(bind(fd, any.get(), any.size), "bind");
  return local_of(fd);
}

inline unsigned long long net_ns() {
  struct stat st {};
  check(stat("/proc/self/ns/net", &st), "stat");
  return st.st_ino;
}

// The process gets a network namespace of its own, with lo up if asked.
inline void own_network(bool lo) {
  check(unshare(CLONE_NEWNET), "unshare");
  if (!lo) return;
  ifreq r{};
  std::strcpy(r.ifr_name, "lo");
  r.ifr_flags = IFF_UP | IFF_RUNNING;
  const int fd = new_socket(AF_INET, SOCK_DGRAM);
  check(ioctl(fd, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS");
  close(fd);
}

inline bool have_io_uring() {
  io_uring_params p{};
  const long ring = syscall(SYS_io_uring_setup, 1, &p);
  if (ring >= 0) close(static_cast<int>(ring));
  return ring >= 0;
}

// Connects through io_uring; returns its result. `flags`: IOSQE_*.
inline int ring_connect(int fd, const Address& a, __u8 flags = 0) {
  io_uring_params p{};
  const int ring = static_cast<int>(check(syscall(SYS_io_uring_setup, 1, &p), "io_uring_setup"));
  const auto map = [ring](std::size_t size, off_t what) {
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
    if (at == MAP_FAILED) throw std::runtime_error("mmap of the ring");
    return static_cast<char*>(at);
  };
  char* sq = map(p.sq_off.array + p.sq_entries * sizeof(__u32), IORING_OFF_SQ_RING);
  char* cq = map(p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
  auto* sqe = reinterpret_cast<io_uring_sqe*>(map(sizeof(io_uring_sqe), IORING_OFF_SQES));
  *sqe = {};
  sqe->opcode = IORING_OP_CONNECT;
  sqe->fd = fd;
  sqe->flags = flags;
  sqe->addr = reinterpret_cast<__u64>(a.get());
  sqe->off = a.size;
  *reinterpret_cast<__u32*>(sq + p.sq_off.array) = 0;
  __atomic_store_n(reinterpret_cast<__u32*>(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
  check(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0), "io_uring_enter");
  const int result = reinterpret_cast<io_uring_cqe*>(cq + p.cq_off.cqes)->res;
  close(ring);
  return result;
}

}  // namespace harness
