// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "net.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/net.h>
#include <linux/udp.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <fstream>
#include <optional>

using namespace harness;

namespace {

// What all lines of an actor say of a connect of `fd`.
void state(Json& t, int fd, const Address& to, int error, const char* proto) {
  const Address local = local_of(fd);
  const bool v4 = to.ip().find(':') == std::string::npos, socket6 = local.storage.ss_family == AF_INET6;
  t["pid"] = getpid();
  t["tid"] = gettid();
  t["fd"] = fd;
  t["proto"] = proto;
  t["family"] = v4 ? "inet" : "inet6";
  t["mapped"] = socket6 ? Json(v4) : Json();
  t["errno"] = error;
  t["net_ns"] = net_ns();
  t["laddr"] = local.ip();
  t["lport"] = local.port() ? Json(local.port()) : Json();
  t["raddr"] = to.ip();
  t["rport"] = to.port();
}

int try_connect(int fd, const Address& to) { return connect(fd, to.get(), to.size) == 0 ? 0 : errno; }

// Waits for the end of a handshake; returns its errno.
int outcome(int fd) {
  pollfd p{fd, POLLOUT, 0};
  check(poll(&p, 1, -1), "poll");
  int error = 0;
  socklen_t size = sizeof error;
  check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), "SO_ERROR");
  return error;
}

void compare(const Json& e, const Json& truth) {
  for (const auto& [key, value] : truth.items()) {
    INFO(key);
    CHECK(e[key] == value);
  }
}

// Runs `deed` in each tier; it must give one line, which says what the deed states. `tp_src` and
// `fentry_src`: what the tiers must say of how they know.
void one_line(std::function<void(Json&)> deed, const char* tp_src, const char* fentry_src, const Args& args = {}) {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Args all{"--hook", tier};
    all.insert(all.end(), args.begin(), args.end());
    Json truth;
    const auto events = trace("connectsnoop", all, deed, &truth);
    INFO(Json(events).dump());
    REQUIRE(events.size() == 1);
    compare(events[0], truth);
    CHECK(events[0]["src"] == (tier == "tp" ? tp_src : fentry_src));
    CHECK(events[0]["error"].is_null() == (events[0]["errno"] == 0));
  }
}

// Changes where sockets go: whatever is for `from` goes to `to`, both IPv4 or both IPv6. A program at the root of the cgroups, by
// hand: the tests need no libbpf.
class Rewriter {
 public:
  // `hook`: BPF_CGROUP_INET4_CONNECT and the like, of the addresses' family. `deny`: it forbids instead.
  Rewriter(int hook, const Address& from, const Address& to, bool deny = false) {
    const bool v6 = from.storage.ss_family == AF_INET6;
    const auto word = [v6](const Address& a, int i) {
      return v6 ? static_cast<__s32>(reinterpret_cast<const sockaddr_in6*>(&a.storage)->sin6_addr.s6_addr32[i])
                : static_cast<__s32>(reinterpret_cast<const sockaddr_in*>(&a.storage)->sin_addr.s_addr);
    };
    const auto at = [v6](int i) {
      return static_cast<__s16>(v6 ? offsetof(bpf_sock_addr, user_ip6) + 4 * static_cast<unsigned>(i)
                                   : offsetof(bpf_sock_addr, user_ip4));
    };
    constexpr __s16 port = offsetof(bpf_sock_addr, user_port);
    const int words = v6 ? 4 : 1;
    std::vector<bpf_insn> p;
    p.push_back({BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1});  // r0 = 1
    const auto unless = [&](__s16 offset, __s32 value) {     // those for another address: on to the end
      p.push_back({BPF_LDX | BPF_MEM | BPF_W, 2, 1, offset, 0});
      p.push_back({BPF_JMP32 | BPF_JEQ | BPF_K, 2, 0, 1, value});
      p.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
    };
    for (int i = 0; i < words; i++) unless(at(i), word(from, i));
    unless(port, htons(static_cast<uint16_t>(from.port())));
    if (deny) p.push_back({BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0});
    const auto set = [&](__s16 offset, __s32 value) {
      p.push_back({BPF_ALU | BPF_MOV | BPF_K, 2, 0, 0, value});
      p.push_back({BPF_STX | BPF_MEM | BPF_W, 1, 2, offset, 0});
    };
    for (int i = 0; i < words && !deny; i++) set(at(i), word(to, i));
    if (!deny) set(port, htons(static_cast<uint16_t>(to.port())));
    p.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
    load.expected_attach_type = static_cast<__u32>(hook);
    load.insns = reinterpret_cast<__u64>(p.data());
    load.insn_cnt = static_cast<__u32>(p.size());
    load.license = reinterpret_cast<__u64>("GPL");
    program_ = bpf(BPF_PROG_LOAD, load);
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words_of(line);
      std::string what, where, type;
      words_of >> what >> where >> type;
      if (type != "cgroup2") continue;
      const int root = open(where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      bpf_attr attach{};
      attach.link_create.prog_fd = static_cast<__u32>(program_);
      attach.link_create.target_fd = static_cast<__u32>(root);
      attach.link_create.attach_type = static_cast<__u32>(hook);
      link_ = bpf(BPF_LINK_CREATE, attach);
      close(root);
      return;
    }
    throw std::runtime_error("no cgroup v2 is mounted");
  }
  ~Rewriter() { close(link_), close(program_); }
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

 private:
  static int bpf(int command, bpf_attr& attr) {
    return static_cast<int>(check(syscall(SYS_bpf, command, &attr, sizeof attr), "bpf"));
  }
  int program_ = -1, link_ = -1;
};

// Whether tier tp can see, here, what became of an address after its own hook: since 6.3, see connectsnoop(8).
bool sees_each_datagram() {
  return run_tool("connectsnoop", {"-v", "--hook", "tp", "-d", "0.001"}).err.find("sent__tp_opt_result_alt_1_each: taken") !=
         std::string::npos;
}

int try_send(int fd, const Address& to, std::size_t size = 1) {
  static const std::vector<char> bytes(70000, 'x');
  return sendto(fd, bytes.data(), size, 0, to.get(), to.size) < 0 ? errno : 0;
}

int only_word(const Json& e) { return e["errno"].is_null() ? -1 : e["errno"].get<int>(); }

// One deed under the tool in that tier, with the hooks of cgroups or without the capability for them.
std::vector<Json> trace_hooked(const std::string& tier, bool hooks, const Args& more, const std::function<void(Json&)>& deed,
                               Json* truth = nullptr) {
  Actor actor(deed);
  Args command, tool{"-j", "--hook", tier, "-p", actor.id()};
  if (!hooks) command = {"setpriv", "--bounding-set", "-net_admin,-sys_admin", "--inh-caps", "-net_admin,-sys_admin"};
  tool.insert(tool.end(), more.begin(), more.end());
  tool = command_of("connectsnoop", tool);
  command.insert(command.end(), tool.begin(), tool.end());
  Tracer tracer(command);
  return trace(tracer, actor, truth);
}

// What a failed send must say; an empty `ip`: no address.
struct Failure {
  std::string via;
  int error;
  std::string ip;
  int port;
};

void tcp_ok(Json& t, const char* listen_at, const char* to_ip, int protocol = 0) {
  const int l = server(ip_address(listen_at, 0), SOCK_STREAM, protocol);
  const Address to = ip_address(to_ip, local_of(l).port());
  const int fd = new_socket(to.storage.ss_family, SOCK_STREAM, protocol);
  check(connect(fd, to.get(), to.size), "connect");
  state(t, fd, to, 0, protocol ? "mptcp" : "tcp");
  t["socket_type"] = "stream";
  t["via"] = "connect";
}

}  // namespace

TEST_CASE("TCP over IPv4: every field") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace(
        "connectsnoop", {"--hook", tier},
        [](Json& t) {
          tcp_ok(t, "127.0.0.1", "127.0.0.1");
          unsigned long long cookie = 0;
          socklen_t size = sizeof cookie;
          check(getsockopt(t["fd"], SOL_SOCKET, SO_COOKIE, &cookie, &size), "SO_COOKIE");
          t["cookie"] = cookie;
          t["ppid"] = getppid();
          t["uid"] = getuid();
          t["kthread"] = false;
        },
        &truth);
    REQUIRE(events.size() == 1);
    compare(events[0], truth);
    CHECK(events[0]["src"] == "kernel");
    CHECK(events[0]["error"].is_null());
    CHECK(events[0]["peer_pid"].is_null());
    CHECK(events[0]["ms"].get<double>() > 0);
    CHECK(events[0]["ms"].get<double>() < 60000);
  }
}
TEST_CASE("TCP over IPv6") {
  one_line([](Json& t) { tcp_ok(t, "::1", "::1"); }, "kernel", "kernel");
}
TEST_CASE("TCP to a v4-mapped address") {
  one_line([](Json& t) { tcp_ok(t, "127.0.0.1", "::ffff:127.0.0.1"); }, "kernel", "kernel");
}
TEST_CASE("MPTCP is one line") {
  const int fd = socket(AF_INET, SOCK_STREAM, 262);
  if (fd < 0) {
    WARN("this kernel has no MPTCP: not tested");
    return;
  }
  close(fd);
  one_line([](Json& t) { tcp_ok(t, "127.0.0.1", "127.0.0.1", 262); }, "kernel", "kernel");
  one_line(
      [](Json& t) {
        const Address to = closed_port();
        const int s = new_socket(AF_INET, SOCK_STREAM, 262);
        t = {{"errno", try_connect(s, to)}, {"proto", "mptcp"}, {"rport", to.port()}, {"raddr", "127.0.0.1"}};
      },
      "kernel", "kernel");
}
TEST_CASE("TCP refused") {
  one_line(
      [](Json& t) {
        const Address to = closed_port();
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        const int error = try_connect(fd, to);
        t = {{"errno", error},     {"error", "ECONNREFUSED"}, {"raddr", to.ip()},
             {"rport", to.port()}, {"laddr", "127.0.0.1"},    {"fd", fd}};
      },
      "kernel", "kernel", {"-x"});
}
TEST_CASE("a non-blocking connect has its final outcome, and repeated calls are no attempts") {
  one_line(
      [](Json& t) {
        const int l = server(ip_address("127.0.0.1", 0));
        const Address to = local_of(l);
        const int fd = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        if (try_connect(fd, to) != EINPROGRESS) throw std::runtime_error("EINPROGRESS expected");
        if (outcome(fd) != 0) throw std::runtime_error("success expected");
        try_connect(fd, to);
        try_connect(fd, to);  // EISCONN
        state(t, fd, to, 0, "tcp");
      },
      "kernel", "kernel");
  one_line(
      [](Json& t) {
        const Address to = closed_port();
        const int fd = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        const int port = (try_connect(fd, to), local_of(fd).port());
        pollfd p{fd, POLLOUT, 0};
        poll(&p, 1, -1);
        if (try_connect(fd, to) != ECONNREFUSED) throw std::runtime_error("ECONNREFUSED expected");  // of the first
        t = {{"errno", ECONNREFUSED}, {"raddr", to.ip()}, {"rport", to.port()}, {"lport", port}, {"fd", fd}};
      },
      "kernel", "kernel");
}
TEST_CASE("TCP timed out") {
  one_line(
      [](Json& t) {
        own_network(true);
        const int l = server(ip_address("127.0.0.1", 0), SOCK_STREAM, 0, 0);  // room for one, which nobody accepts
        const Address to = local_of(l);
        {
          const int first = new_socket(AF_INET, SOCK_STREAM);
          check(connect(first, to.get(), to.size), "connect");
        }
        const int fd = new_socket(AF_INET, SOCK_STREAM), once = 1, ms = 300;
        setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &once, sizeof once);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
        t = {{"errno", try_connect(fd, to)},
             {"error", "ETIMEDOUT"},
             {"raddr", to.ip()},
             {"rport", to.port()},
             {"fd", fd},
             {"net_ns", net_ns()}};
      },
      "kernel", "kernel", {"-x"});
}
TEST_CASE("TCP without a route, without a packet") {
  one_line(
      [](Json& t) {
        own_network(false);
        const Address to = ip_address("10.1.2.3", 80);
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        const int error = try_connect(fd, to);
        state(t, fd, to, error, "tcp");
        t["error"] = "ENETUNREACH";
        t["ms"] = nullptr;
      },
      "kernel", "kernel");
}
TEST_CASE("TCP: no free port") {
  one_line(
      [](Json& t) {
        const int l = server(ip_address("127.0.0.1", 0));
        const Address to = local_of(l);
        const int first = new_socket(AF_INET, SOCK_STREAM), second = new_socket(AF_INET, SOCK_STREAM), on = 1;
        for (const int s : {first, second}) setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        Address from = ip_address("127.0.0.1", 0);
        check(bind(first, from.get(), from.size), "bind");
        from = local_of(first);
        check(bind(second, from.get(), from.size), "bind");
        check(connect(first, to.get(), to.size), "connect");
        t = {{"errno", try_connect(second, to)},
             {"error", "EADDRNOTAVAIL"},
             {"raddr", to.ip()},
             {"rport", to.port()},
             {"fd", second}};
      },
      "kernel", "kernel", {"-x"});
}
TEST_CASE("bad calls: no socket, no descriptor, a bad pointer, a short address") {
  one_line(
      [](Json& t) {
        const Address to = ip_address("192.0.2.1", 8080);
        t = {{"errno", try_connect(STDOUT_FILENO, to)},
             {"error", "ENOTSOCK"},
             {"proto", nullptr},
             {"raddr", "192.0.2.1"},
             {"rport", 8080}};
      },
      "user", "user");
  one_line(
      [](Json& t) {
        t = {{"errno", try_connect(987, ip_address("2001:db8::1", 8080))},
             {"error", "EBADF"},
             {"proto", nullptr},
             {"fd", 987},
             {"raddr", "2001:db8::1"},
             {"family", "inet6"}};
      },
      "user", "user");
  one_line(
      [](Json& t) {
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        connect(fd, reinterpret_cast<sockaddr*>(8), sizeof(sockaddr_in));
        t = {{"errno", errno}, {"error", "EFAULT"}, {"proto", "tcp"}, {"raddr", nullptr}, {"rport", nullptr}};
      },
      "user", "user");
}
TEST_CASE("Fast Open: a sendto that connects, and one that fails to") {
  one_line(
      [](Json& t) {
        const int l = server(ip_address("127.0.0.1", 0));
        const Address to = local_of(l);
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        check(sendto(fd, "x", 1, MSG_FASTOPEN, to.get(), to.size), "sendto");
        state(t, fd, to, 0, "tcp");
        t["via"] = "sendto";
      },
      "kernel", "kernel");
  one_line(
      [](Json& t) {
        own_network(false);
        const Address to = ip_address("10.1.2.3", 80);
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        if (sendto(fd, "x", 1, MSG_FASTOPEN, to.get(), to.size) >= 0) throw std::runtime_error("a failure expected");
        state(t, fd, to, errno, "tcp");
        t["via"] = "sendto";
      },
      "kernel", "kernel");
}
TEST_CASE("io_uring") {
  if (!have_io_uring()) {
    WARN("this kernel has no io_uring: not tested");
    return;
  }
  const std::string hooks = run_tool("connectsnoop", {"-v", "--hook", "tp", "-d", "0.001"}).err;
  one_line(
      [](Json& t) {
        const int l = server(ip_address("127.0.0.1", 0));
        const Address to = local_of(l);
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        if (ring_connect(fd, to) != 0) throw std::runtime_error("connect");
        state(t, fd, to, 0, "tcp");
        t["fd"] = nullptr;
        t.erase("tid");  // a worker may do it
        t["via"] = "io_uring";
      },
      "kernel", "kernel");
  one_line(
      [](Json& t) {
        const Address to = closed_port();
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        t = {{"errno", -ring_connect(fd, to)},
             {"error", "ECONNREFUSED"},
             {"raddr", to.ip()},
             {"rport", to.port()},
             {"via", "io_uring"}};
      },
      "kernel", "kernel");
  one_line(
      [](Json& t) {
        own_network(false);
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        t = {{"errno", -ring_connect(fd, ip_address("10.1.2.3", 80))},
             {"error", "ENETUNREACH"},
             {"raddr", "10.1.2.3"},
             {"rport", 80},
             {"via", "io_uring"}};
      },
      "kernel", "kernel");
  one_line(
      [](Json& t) {
        const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM);
        const Address to = local_of(s);
        const int fd = new_socket(AF_INET, SOCK_DGRAM);
        if (ring_connect(fd, to) != 0) throw std::runtime_error("connect");
        state(t, fd, to, 0, "udp");
        t["fd"] = nullptr;
        t.erase("tid");
        t["via"] = "io_uring";
      },
      "kernel", "kernel");
  TempDir dir;
  one_line(
      [&](Json& t) {
        const std::string path = dir / "ring.sock";
        unlink(path.c_str());
        const int l = server(unix_address(path));
        const int fd = new_socket(AF_UNIX, SOCK_STREAM);
        t = {{"errno", -ring_connect(fd, unix_address(path))},
             {"raddr", path},
             {"proto", "unix"},
             {"peer_pid", getpid()},
             {"via", "io_uring"}};
        close(l);
      },
      "kernel", "kernel");
  one_line(
      [&](Json& t) {
        check(chdir(dir.path().c_str()), "chdir");
        const int fd = new_socket(AF_UNIX, SOCK_STREAM);
        t = {{"errno", -ring_connect(fd, unix_address("absent"))},
             {"error", "ENOENT"},
             {"raddr", dir / "absent"},
             {"via", "io_uring"}};
      },
      hooks.find("uring_alt_2_sqe: taken") != std::string::npos ? "user" : "kernel", "kernel");  // older kernels copy it later
}
TEST_CASE("32-bit entry: connect and socketcall") {
  if (!have_int80()) {
    WARN("no int $0x80 here: the 32-bit entry is not tested");
    return;
  }
  for (const bool multiplexed : {false, true}) {
    INFO(multiplexed);
    one_line(
        [multiplexed](Json& t) {
          const int l = server(ip_address("127.0.0.1", 0));
          const Address to = local_of(l);
          const int fd = new_socket(AF_INET, SOCK_STREAM);
          const auto at = static_cast<unsigned>(reinterpret_cast<unsigned long>(low(&to.storage, to.size)));
          const unsigned args[3] = {static_cast<unsigned>(fd), at, to.size};
          check(
              multiplexed ? int80(102, SYS_CONNECT, reinterpret_cast<long>(low(args, sizeof args))) : int80(362, fd, at, to.size),
              "int80");
          state(t, fd, to, 0, "tcp");
          if (multiplexed) t["fd"] = nullptr;
          t["via"] = multiplexed ? "compat:socketcall" : "compat:connect";
        },
        "kernel", "kernel");
    TempDir dir;
    one_line(
        [&](Json& t) {
          const Address to = unix_address(dir / "absent");
          const int fd = new_socket(AF_UNIX, SOCK_STREAM);
          const auto at = static_cast<unsigned>(reinterpret_cast<unsigned long>(low(&to.storage, to.size)));
          const unsigned args[3] = {static_cast<unsigned>(fd), at, to.size};
          t["errno"] = -(multiplexed ? int80(102, SYS_CONNECT, reinterpret_cast<long>(low(args, sizeof args)))
                                     : int80(362, fd, at, to.size));
          t["error"] = "ENOENT";
          t["raddr"] = dir / "absent";
          t["fd"] = fd;
          t["via"] = multiplexed ? "compat:socketcall" : "compat:connect";
        },
        "user", "kernel");
  }
}
TEST_CASE("UDP connect - dissolving it is none") {
  for (const char* ip : {"127.0.0.1", "::1", "::ffff:127.0.0.1"})
    one_line(
        [ip](Json& t) {
          const Address to = ip_address(ip, 53);
          const int fd = new_socket(to.storage.ss_family, SOCK_DGRAM);
          check(connect(fd, to.get(), to.size), "connect");
          state(t, fd, to, 0, "udp");
          t["socket_type"] = "dgram";
          t["ms"] = nullptr;
          sockaddr none{};
          check(connect(fd, &none, sizeof none), "connect to AF_UNSPEC");
        },
        "fd", "kernel");
  one_line(
      [](Json& t) {  // broadcast without SO_BROADCAST
        own_network(true);
        const Address to = ip_address("127.255.255.255", 9);
        const int fd = new_socket(AF_INET, SOCK_DGRAM);
        const int error = try_connect(fd, to);
        state(t, fd, to, error, "udp");
        t["error"] = "EACCES";
      },
      "kernel", "kernel");
}
TEST_CASE("UDP datagrams with an address: the first to each destination") {
  const auto deed = [](Json& t) {
    const int fd = new_socket(AF_INET, SOCK_DGRAM);
    const Address a = ip_address("127.0.0.1", 40001), b = ip_address("127.0.0.1", 40002);
    const int sa = server(a, SOCK_DGRAM), sb = server(b, SOCK_DGRAM);
    for (int i = 0; i < 3; i++) check(sendto(fd, "x", 1, 0, a.get(), a.size), "sendto");
    check(sendto(fd, "x", 1, 0, b.get(), b.size), "sendto");
    state(t, fd, a, 0, "udp");
    t["via"] = "sendto";
    close(sa), close(sb);
  };
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    auto events = trace("connectsnoop", {"--hook", tier}, deed, &truth);
    REQUIRE(events.size() == 2);
    compare(events[0], truth);
    CHECK(events[0]["src"] == "kernel");
    CHECK(events[1]["rport"] == 40002);
    events = trace("connectsnoop", {"--hook", tier, "--udp-all"}, deed, &truth);
    REQUIRE(events.size() == 4);
    compare(events[2], truth);
  }
}
TEST_CASE("UDP: sendmmsg, sendmsg to a v4-mapped address, a failed sendto") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier}, [](Json&) {
      const int fd = new_socket(AF_INET6, SOCK_DGRAM);
      Address to[3] = {ip_address("::1", 40001), ip_address("::1", 40002), ip_address("::ffff:127.0.0.1", 40003)};
      char byte = 'x';
      iovec data{&byte, 1};
      mmsghdr messages[3]{};
      for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr.msg_name = to[i].get();
        messages[i].msg_hdr.msg_namelen = to[i].size;
        messages[i].msg_hdr.msg_iov = &data;
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      if (sendmmsg(fd, messages, 2, 0) != 2) throw std::runtime_error("sendmmsg");
      check(sendmsg(fd, &messages[2].msg_hdr, 0), "sendmsg");
      const int v4 = new_socket(AF_INET, SOCK_DGRAM);
      const Address all = ip_address("255.255.255.255", 9);
      if (sendto(v4, "x", 1, 0, all.get(), all.size) == 0) throw std::runtime_error("a failure expected");
    });
    REQUIRE(events.size() == 4);
    CHECK(events[0]["via"] == "sendmmsg");
    CHECK(events[0]["raddr"] == "::1");
    CHECK(events[0]["rport"] == 40001);
    CHECK(events[1]["via"] == "sendmmsg");
    CHECK(events[1]["rport"] == 40002);
    CHECK(events[2]["via"] == "sendmsg");
    CHECK(events[2]["raddr"] == "127.0.0.1");
    CHECK(events[2]["mapped"] == true);
    CHECK(events[3]["raddr"] == "255.255.255.255");
    CHECK(events[3]["errno"] != 0);
  }
}
TEST_CASE("UDP: a sendmmsg of which the last fails, and one with a message for the connected peer") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    // Else only the call's end tells how its datagrams fared, and it does not tell why one failed.
    const bool each =
        run_tool("connectsnoop", {"-v", "--hook", tier, "-d", "0.001"}).err.find("sent__tp_opt_result_alt_2_end: taken") ==
        std::string::npos;
    const auto send = [](int fd, std::vector<Address> to, int expected) {
      char byte = 'x';
      iovec data{&byte, 1};
      std::vector<mmsghdr> messages(to.size());
      for (std::size_t i = 0; i < to.size(); i++) {
        messages[i].msg_hdr.msg_iov = &data;
        messages[i].msg_hdr.msg_iovlen = 1;
        if (to[i].size == 0) continue;
        messages[i].msg_hdr.msg_name = to[i].get();
        messages[i].msg_hdr.msg_namelen = to[i].size;
      }
      if (sendmmsg(fd, messages.data(), static_cast<unsigned>(to.size()), 0) != expected) throw std::runtime_error("sendmmsg");
    };
    Json truth;
    const auto events = trace(
        "connectsnoop", {"--hook", tier, "--udp-all"},
        [&](Json& t) {
          t = Json::array();
          const Address one = ip_address("127.0.0.1", 40001), two = ip_address("127.0.0.1", 40002),
                        all = ip_address("255.255.255.255", 9);
          const int fd = new_socket(AF_INET, SOCK_DGRAM);
          send(fd, {one, two, one, all, two}, 3);
          const int peer = server(ip_address("127.0.0.1", 40003), SOCK_DGRAM), connected = new_socket(AF_INET, SOCK_DGRAM);
          check(connect(connected, ip_address("127.0.0.1", 40003).get(), one.size), "connect");
          send(connected, {Address{}, one, Address{}}, 3);
          send(connected, {Address{}, all, one}, 1);
          for (const int each_fd : {fd, connected}) {
            if (sendto(each_fd, "x", 1, 0, all.get(), all.size) >= 0) throw std::runtime_error("a failure expected");
            t.push_back(errno);
          }
          close(peer);
        },
        &truth);
    INFO(Json(events).dump());
    REQUIRE(events.size() == 9);
    const int ports[] = {40001, 40002, 40001, 9, 40003, 40001, 9, 9, 9};
    for (std::size_t i = 0; i < 9; i++) {
      CHECK(events[i]["rport"] == ports[i]);
      CHECK(events[i]["via"] == (i == 4 ? "connect" : i >= 7 ? "sendto" : "sendmmsg"));
      CHECK(events[i]["errno"] == (ports[i] != 9 ? Json(0) : each || i >= 7 ? truth[i == 3 || i == 7 ? 0 : 1] : Json()));
    }
  }
}
TEST_CASE("18: datagrams that fail on purpose hide none that arrives") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto outcomes = [&](const std::function<void(Json&)>& deed, const Args& more = {}) {
      Args args{"--hook", tier};
      args.insert(args.end(), more.begin(), more.end());
      std::vector<int> all;
      for (const Json& e : trace("connectsnoop", args, deed)) all.push_back(only_word(e));
      return all;
    };
    const auto too_long_first = [](Json&) {
      const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
      const Address to = local_of(s);
      for (const std::size_t size : {65520, 65520, 1, 1, 65520, 1}) try_send(fd, to, size);
    };
    CHECK(outcomes(too_long_first) == std::vector{EMSGSIZE, 0});
    CHECK(outcomes(too_long_first, {"-x"}) == std::vector{EMSGSIZE, EMSGSIZE, EMSGSIZE});
    CHECK(outcomes(too_long_first, {"--udp-all"}).size() == 6);
    CHECK(outcomes([](Json&) {  // each kind of failure has its own
            own_network(true);
            const int s = server(ip_address("::1", 0), SOCK_DGRAM), fd = new_socket(AF_INET6, SOCK_DGRAM);
            const Address to = local_of(s);
            try_send(fd, to, 66000);
            Address elsewhere = to;
            reinterpret_cast<sockaddr_in6*>(&elsewhere.storage)->sin6_addr.s6_addr[0] = 0x20;
            try_send(fd, elsewhere);  // another destination
            try_send(fd, to);
          }) == std::vector{EMSGSIZE, ENETUNREACH, 0});
    CHECK(outcomes([](Json&) {  // the error of an earlier one
            own_network(true);
            const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM), on = 1;
            check(setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof on), "IP_RECVERR");
            const Address to = local_of(s);
            if (try_send(fd, closed_port())) throw std::runtime_error("sendto");
            if (try_send(fd, to) != ECONNREFUSED) throw std::runtime_error("ECONNREFUSED expected");
            try_send(fd, to);
          }) == std::vector{0, ECONNREFUSED, 0});
    if (have_int80())
      CHECK(outcomes([](Json&) {
              const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
              const Address to = local_of(s);
              const auto at = [](const void* bytes, std::size_t size) {
                return static_cast<unsigned>(reinterpret_cast<unsigned long>(low(bytes, size)));
              };
              const std::string bytes(65520, 'x');
              for (const unsigned size : {65520u, 1u, 1u}) {
                const unsigned args[6] = {
                    static_cast<unsigned>(fd), at(bytes.data(), bytes.size()), size, 0, at(&to.storage, to.size), to.size};
                int80(102, SYS_SENDTO, at(args, sizeof args));
              }
            }) == std::vector{EMSGSIZE, 0});
  }
}
TEST_CASE("18: a sendmmsg whose first message fails, and a later one that arrives") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier}, [](Json&) {
      const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
      Address to = local_of(s);
      std::vector<char> bytes(65520, 'x');
      iovec big{bytes.data(), bytes.size()}, small{bytes.data(), 1};
      mmsghdr m[2]{};
      for (int i = 0; i < 2; i++)
        m[i].msg_hdr.msg_name = to.get(), m[i].msg_hdr.msg_namelen = to.size, m[i].msg_hdr.msg_iovlen = 1;
      m[0].msg_hdr.msg_iov = &big, m[1].msg_hdr.msg_iov = &small;
      if (sendmmsg(fd, m, 2, 0) != -1) throw std::runtime_error("a failure expected");
      m[0].msg_hdr.msg_iov = &small;
      if (sendmmsg(fd, m, 2, 0) != 2) throw std::runtime_error("sendmmsg");
    });
    INFO(Json(events).dump());
    REQUIRE(events.size() == 2);
    CHECK(events[0]["errno"] == EMSGSIZE);
    CHECK(events[1]["errno"] == 0);
  }
}
TEST_CASE("19: who sends or connects to no address goes to the host itself, for --dest too") {
  struct Way {
    const char* to;
    const char* at;
  };
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    for (const Way& way : {Way{"0.0.0.0", "127.0.0.1"}, {"::", "::1"}, {"::ffff:0.0.0.0", "127.0.0.1"}, {"0.0.0.0", "127.0.0.5"}})
      for (const bool connects : {false, true}) {
        INFO(way.to << " " << way.at << " " << connects);
        Json truth;
        const auto events = trace(
            "connectsnoop", {"--hook", tier, "--dest", way.at},
            [&](Json& t) {
              const int s = server(ip_address(way.at, 0), SOCK_DGRAM);
              const Address to = ip_address(way.to, local_of(s).port());
              const int fd = new_socket(to.storage.ss_family, SOCK_DGRAM);
              if (way.at == std::string("127.0.0.5")) {
                const Address from = ip_address(way.at, 0);
                check(bind(fd, from.get(), from.size), "bind");
              }
              if (connects) check(connect(fd, to.get(), to.size), "connect");
              else if (try_send(fd, to)) throw std::runtime_error("sendto");
              char byte;
              if (!connects) check(recv(s, &byte, 1, MSG_DONTWAIT), "recv");  // there it is
              t = {{"raddr", way.at}, {"rport", to.port()}, {"requested", to.ip()}, {"requested_port", to.port()}, {"errno", 0}};
            },
            &truth);
        INFO(Json(events).dump());
        REQUIRE(events.size() == 1);
        compare(events[0], truth);
      }
    for (const char* ip : {"0.0.0.0", "::"}) {
      const auto events = trace("connectsnoop", {"--hook", tier, "--dest", "127.0.0.1", "--dest", "::1"}, [ip](Json&) {
        const int l = server(ip_address(ip, 0));
        const Address to = ip_address(ip, local_of(l).port());
        const int fd = new_socket(to.storage.ss_family, SOCK_STREAM);
        check(connect(fd, to.get(), to.size), "connect");
      });
      REQUIRE(events.size() == 1);
      CHECK(events[0]["requested"] == ip);
    }
  }
}
TEST_CASE("J: the address that the kernel used, whoever rewrote it and when, requested is what was asked for") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    for (const bool v6 : {false, true})
      for (const bool later : {false, true})
        for (const bool connects : {false, true}) {
          INFO(v6 << later << connects);
          const char* service = v6 ? "2001:db8::77" : "198.51.100.77";
          const char* backend = v6 ? "::1" : "127.0.0.1";
          const int s = server(ip_address(backend, 0), SOCK_DGRAM);
          const Address from = ip_address(service, 80), to = local_of(s);
          const int hook = v6 ? (connects ? BPF_CGROUP_INET6_CONNECT : BPF_CGROUP_UDP6_SENDMSG)
                              : (connects ? BPF_CGROUP_INET4_CONNECT : BPF_CGROUP_UDP4_SENDMSG);
          Actor actor([&](Json&) {
            const int fd = new_socket(from.storage.ss_family, SOCK_DGRAM);
            if (connects) {
              check(connect(fd, from.get(), from.size), "connect");
              return;
            }
            if (try_send(fd, from)) throw std::runtime_error("sendto");
            char byte;
            check(recv(s, &byte, 1, MSG_DONTWAIT), "recv");
          });
          std::optional<Rewriter> earlier, late;
          if (!later) earlier.emplace(hook, from, to);
          Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-p", actor.id()});
          if (later) late.emplace(hook, from, to);
          const auto events = trace(tracer, actor);
          INFO(Json(events).dump());
          REQUIRE(events.size() == 1);
          CHECK(events[0]["requested"] == service);
          CHECK(events[0]["requested_port"] == 80);
          if (later && !connects && tier == "tp" && !sees_each_datagram()) {  // see connectsnoop(8)
            CHECK(events[0]["src"] == "user");
          } else {
            CHECK(events[0]["raddr"] == backend);
            CHECK(events[0]["rport"] == to.port());
            CHECK(events[0]["src"] != "user");
          }
          close(s);
        }
  }
}
TEST_CASE("J: TCP to a service, with filters by the backend's address, what is forbidden") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const int l = server(ip_address("127.0.0.1", 0));
    const Address from = ip_address("198.51.100.77", 80), to = local_of(l), shut = closed_port();
    for (const bool fails : {false, true}) {
      Actor actor([&](Json&) {
        const int fd = new_socket(AF_INET, SOCK_STREAM);
        if ((try_connect(fd, from) != 0) != fails) throw std::runtime_error("connect");
      });
      Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-p", actor.id(), "--dest", "127.0.0.1", "--port",
                                     std::to_string(fails ? shut.port() : to.port())});
      Rewriter rewriter(BPF_CGROUP_INET4_CONNECT, from, fails ? shut : to);
      const auto events = trace(tracer, actor);
      REQUIRE(events.size() == 1);
      CHECK(events[0]["requested"] == "198.51.100.77");
      CHECK(events[0]["errno"] == (fails ? ECONNREFUSED : 0));
    }
    Actor actor([&](Json&) {
      if (try_send(new_socket(AF_INET, SOCK_DGRAM), from) != EPERM) throw std::runtime_error("EPERM expected");
    });
    Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-p", actor.id()});
    Rewriter rewriter(BPF_CGROUP_UDP4_SENDMSG, from, from, true);
    const auto events = trace(tracer, actor);
    REQUIRE(events.size() == 1);
    CHECK(events[0]["error"] == "EPERM");
    CHECK(events[0]["requested"] == "198.51.100.77");
    close(l);
  }
}
TEST_CASE("J: a v4-mapped address that a later program rewrites is right, or said to be the caller's") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM);
    const Address from = ip_address("198.51.100.77", 80), mapped = ip_address("::ffff:198.51.100.77", 80), to = local_of(s);
    Actor actor([&](Json&) {
      if (try_send(new_socket(AF_INET6, SOCK_DGRAM), mapped)) throw std::runtime_error("sendto");
      char byte;
      check(recv(s, &byte, 1, MSG_DONTWAIT), "recv");
    });
    Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-p", actor.id(), "--dest", "127.0.0.1"});
    Rewriter rewriter(BPF_CGROUP_UDP4_SENDMSG, from, to);
    const auto events = trace(tracer, actor);
    REQUIRE(events.size() == 1);
    if (tier == "fentry") CHECK(events[0]["raddr"] == "127.0.0.1");
    else CHECK(events[0]["src"] == "user");
    CHECK(events[0]["requested"] == "198.51.100.77");
    close(s);
  }
}
TEST_CASE("N: the interface of a datagram's link-local address, however the process named it") {
  enum { by_scope, by_device, by_option, by_message, by_multicast, ways };
  for (const std::string& tier : tiers("connectsnoop"))
    for (int way = 0; way < ways; way++) {
      INFO(tier << " " << way);
      const auto events = trace("connectsnoop", {"--hook", tier}, [way](Json&) {
        own_network(true);
        const int fd = new_socket(AF_INET6, SOCK_DGRAM), lo = 1, lo_be = static_cast<int>(htonl(1));
        Address to = ip_address(way == by_multicast ? "ff02::fb" : "fe80::2", 5353);
        if (way == by_scope) reinterpret_cast<sockaddr_in6*>(&to.storage)->sin6_scope_id = 1;
        if (way == by_device) check(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), "SO_BINDTODEVICE");
        if (way == by_option) check(setsockopt(fd, SOL_IPV6, IPV6_UNICAST_IF, &lo_be, sizeof lo_be), "IPV6_UNICAST_IF");
        if (way == by_multicast) check(setsockopt(fd, SOL_IPV6, IPV6_MULTICAST_IF, &lo, sizeof lo), "IPV6_MULTICAST_IF");
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))]{};
        iovec data{control, 1};
        msghdr m{};
        m.msg_name = to.get(), m.msg_namelen = to.size, m.msg_iov = &data, m.msg_iovlen = 1;
        if (way == by_message) {
          m.msg_control = control, m.msg_controllen = sizeof control;
          cmsghdr* c = CMSG_FIRSTHDR(&m);
          c->cmsg_level = SOL_IPV6, c->cmsg_type = IPV6_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof(in6_pktinfo));
          in6_pktinfo info{};
          info.ipi6_ifindex = 1;
          std::memcpy(CMSG_DATA(c), &info, sizeof info);
        }
        sendmsg(fd, &m, 0);  // it may find no route
      });
      INFO(Json(events).dump());
      REQUIRE(events.size() == 1);
      CHECK(events[0]["raddr"] == (way == by_multicast ? "ff02::fb%1" : "fe80::2%1"));
    }
}
TEST_CASE("20: without the hooks of cgroups it says what is missing, and shows datagrams with AF_UNSPEC") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Actor actor([](Json& t) {
      const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
      Address to = local_of(s);
      t["port"] = to.port();
      to.storage.ss_family = AF_UNSPEC;
      if (try_send(fd, to)) throw std::runtime_error("sendto");
      char byte;
      check(recv(s, &byte, 1, MSG_DONTWAIT), "recv");
    });
    Args command{"setpriv", "--bounding-set", "-net_admin,-sys_admin", "--inh-caps", "-net_admin,-sys_admin"};
    const Args tool = command_of("connectsnoop", {"-j", "--hook", tier, "-p", actor.id()});
    command.insert(command.end(), tool.begin(), tool.end());
    Tracer tracer(command);
    Json truth;
    const auto events = trace(tracer, actor, &truth);
    CHECK(tracer.err().find("without the hooks of cgroups") != std::string::npos);
    REQUIRE(events.size() == 1);
    CHECK(events[0]["raddr"] == "127.0.0.1");
    CHECK(events[0]["rport"] == truth["port"]);
    CHECK(events[0]["requested_port"] == truth["port"]);
  }
}
TEST_CASE("UDP: what fails before the hooks of cgroups see it has its line, whoever has sent before") {
  const std::vector<Failure> all{
      {"sendto", EINVAL, "127.0.0.2", 0},
      {"sendmsg", EINVAL, "127.0.0.3", 0},
      {"sendmmsg", EINVAL, "127.0.0.4", 0},
      {"sendto", EINVAL, "::2", 0},
      {"sendto", ENETUNREACH, "127.0.0.5", 50},
      {"sendto", ENETUNREACH, "127.0.0.6", 60},
      {"sendto", EMSGSIZE, "127.0.0.7", 70},
      {"sendto", EOPNOTSUPP, "127.0.0.8", 80},
      {"sendto", EAFNOSUPPORT, "::9", 90},
      {"sendto", EAFNOSUPPORT, "", 0},
      {"sendto", EFAULT, "", 0},
      {"sendto", EINVAL, "", 0},
      {"sendto", EINVAL, "127.0.0.10", 100},
      {"sendmsg", EFAULT, "127.0.0.11", 110},
      {"sendmsg", EINVAL, "127.0.0.12", 120},
  };
  const auto deed = [&](Json&) {
    const int peer = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM),
              only6 = new_socket(AF_INET6, SOCK_DGRAM), on = 1;
    check(setsockopt(only6, SOL_IPV6, IPV6_V6ONLY, &on, sizeof on), "V6ONLY");
    if (try_send(fd, local_of(peer))) throw std::runtime_error("sendto");
    const auto expect = [](std::size_t i, const std::vector<Failure>& of, long result) {
      if (result >= 0 || errno != of[i].error)
        throw std::runtime_error("failure " + std::to_string(i) + " is another: " + std::strerror(errno));
    };
    const auto to = [&](std::size_t i) { return ip_address(all[i].ip, all[i].port); };
    const auto message = [](Address& a, iovec* data) {
      mmsghdr m{};
      m.msg_hdr.msg_name = a.get(), m.msg_hdr.msg_namelen = a.size, m.msg_hdr.msg_iov = data, m.msg_hdr.msg_iovlen = 1;
      return m;
    };
    char byte = 'x';
    iovec data{&byte, 1};
    const auto send = [&](std::size_t i, int socket, int flags = 0, std::size_t size = 1) {
      static const std::vector<char> bytes(70000, 'x');
      const Address a = to(i);
      expect(i, all, sendto(socket, bytes.data(), size, flags, a.get(), a.size));
    };
    send(0, fd);
    Address a = to(1);
    mmsghdr m = message(a, &data);
    expect(1, all, sendmsg(fd, &m.msg_hdr, 0));
    a = to(2);
    m = message(a, &data);
    expect(2, all, sendmmsg(fd, &m, 1, 0));
    send(3, only6);
    send(4, only6);
    a = ip_address("::ffff:127.0.0.6", 60);
    expect(5, all, sendto(only6, "x", 1, 0, a.get(), a.size));
    send(6, fd, 0, 70000);
    send(7, fd, MSG_OOB);
    send(8, fd);
    a = ip_address("127.0.0.1", 9);
    a.storage.ss_family = 77;
    expect(9, all, sendto(fd, "x", 1, 0, a.get(), a.size));
    expect(10, all, sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(8), 16));
    a = ip_address("127.0.0.1", 9);
    expect(11, all, sendto(fd, "x", 1, 0, a.get(), 3));
    expect(12, all, sendto(fd, "x", 1, 0, to(12).get(), 200));
    a = to(13);
    m = message(a, reinterpret_cast<iovec*>(8));
    expect(13, all, sendmsg(fd, &m.msg_hdr, 0));
    a = to(14);
    m = message(a, &data);
    alignas(cmsghdr) char control[CMSG_SPACE(4)]{};
    m.msg_hdr.msg_control = control, m.msg_hdr.msg_controllen = sizeof control;
    CMSG_FIRSTHDR(&m.msg_hdr)->cmsg_len = 3;
    expect(14, all, sendmsg(fd, &m.msg_hdr, 0));
  };
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false}) {
      INFO(tier << (hooks ? "" : " without the hooks of cgroups"));
      const auto events = trace_hooked(tier, hooks, {}, deed);
      INFO(Json(events).dump());
      REQUIRE(events.size() == 1 + all.size());
      CHECK(events[0]["errno"] == 0);
      for (std::size_t i = 0; i < all.size(); i++) {
        const Json& e = events[i + 1];
        INFO(i << ": " << e.dump());
        CHECK(e["proto"] == "udp");
        CHECK(e["via"] == all[i].via);
        CHECK(e["errno"] == all[i].error);
        CHECK(e["raddr"] == (all[i].ip.empty() ? Json() : Json(all[i].ip)));
        CHECK(e["rport"] == (all[i].ip.empty() ? Json() : Json(all[i].port)));
      }
      CHECK(trace_hooked(tier, hooks, {"-x"}, [&](Json& t) { deed(t), deed(t); }).size() == 2 * all.size());
    }
}
TEST_CASE("UDP: a sendmmsg that ends by a message which fails early, behind others that go out") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false})
      for (const int way : {0, 1, 2}) {
        INFO(tier << (hooks ? "" : " without the hooks of cgroups") << ", way " << way);
        // Where only the end of the call is seen, that does not tell why.
        const bool each = tier == "fentry" || sees_each_datagram();
        const auto events = trace_hooked(tier, hooks, {}, [way](Json&) {
          const int s = server(ip_address("127.0.0.1", 40001), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
          Address good[2] = {ip_address("127.0.0.1", 40001), ip_address("127.0.0.1", 40002)}, bad = ip_address("127.0.0.9", 0);
          char byte = 'x';
          iovec data{&byte, 1};
          mmsghdr m[4]{};
          for (auto& [header, length] : m) header.msg_iov = &data, header.msg_iovlen = 1, header.msg_namelen = bad.size;
          m[0].msg_hdr.msg_name = good[0].get();
          m[1].msg_hdr.msg_name = way == 1 ? nullptr : good[1].get();
          m[2].msg_hdr.msg_name = way == 2 ? reinterpret_cast<void*>(8) : bad.get();
          m[3].msg_hdr.msg_name = good[1].get();
          if (way == 1) check(connect(fd, good[0].get(), good[0].size), "connect");
          if (sendmmsg(fd, m, 4, 0) != 2) throw std::runtime_error("sendmmsg");
          close(s);
        });
        INFO(Json(events).dump());
        REQUIRE(events.size() == 3);  // with the connect of way 1
        for (std::size_t i = 0; i < 3; i++)
          CHECK(events[i]["errno"] == (i < 2 ? Json(0) : way < 2 && each ? Json(EINVAL) : Json()));
        CHECK(events[2]["raddr"] == (way == 2 ? Json() : Json("127.0.0.9")));
        CHECK(events[2]["via"] == "sendmmsg");
      }
}
TEST_CASE("UDP: a sendmmsg that sends a message, and fails because it cannot write how long that was") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false})
      for (const Args& options : {Args{}, Args{"--udp-all"}}) {
        INFO(tier << (hooks ? "" : " without the hooks of cgroups") << ' ' << Json(options).dump());
        const auto events = trace_hooked(tier, hooks, options, [](Json& t) {
          const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), fd = new_socket(AF_INET, SOCK_DGRAM);
          const Address to = local_of(s);
          t["port"] = to.port();
          char byte = 'x';
          iovec data{&byte, 1};
          auto* const m = static_cast<mmsghdr*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
          m->msg_hdr = {const_cast<sockaddr*>(to.get()), to.size, &data, 1, nullptr, 0, 0};
          check(mprotect(m, 4096, PROT_READ), "mprotect");
          if (sendmmsg(fd, m, 1, 0) != -1 || errno != EFAULT) throw std::runtime_error("sendmmsg");
          if (recv(s, &byte, 1, MSG_DONTWAIT) != 1) throw std::runtime_error("it did not arrive");
          close(s);
        });
        INFO(Json(events).dump());
        REQUIRE(
            (events.size() == 1 || (events.size() == 2 && !options.empty())));  // then the call's end is told, too: as not known
        CHECK(events[0]["errno"] == (hooks || tier == "fentry" ? Json(0) : Json()));
        CHECK(events.back()["errno"] == (events.size() == 2 ? Json() : events[0]["errno"]));
        for (const Json& e : events) {
          CHECK(e["raddr"] == "127.0.0.1");
          CHECK(e["via"] == "sendmmsg");
        }
      }
}
TEST_CASE("UDP: data for a corked datagram goes where that goes, not to an address of its own") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false})
      for (const int family : {AF_INET, AF_INET6})
        for (const int way : {0, 1, 2, 3}) {
          INFO(tier << (hooks ? "" : " without the hooks of cgroups") << ", family " << family << ", way " << way);
          Json truth;
          const auto events = trace_hooked(
              tier, hooks, {},
              [&](Json& t) {
                const char* const ip = family == AF_INET ? "127.0.0.1" : "::1";
                const int a = server(ip_address(ip, 0), SOCK_DGRAM), b = server(ip_address(ip, 0), SOCK_DGRAM),
                          fd = new_socket(family, SOCK_DGRAM);
                const Address to = local_of(a), ignored = local_of(b);
                t = {{"to", to.port()}, {"ignored", ignored.port()}};
                const auto send = [&](const Address& where, std::size_t size, int flags) {
                  check(sendto(fd, "three", size, flags, where.get(), where.size), "sendto");
                };
                const auto cork = [&](int on) { check(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on), "UDP_CORK"); };
                if (way == 0) send(to, 3, MSG_MORE), send(ignored, 3, 0);
                if (way == 1) send(to, 0, MSG_MORE), send(ignored, 5, MSG_MORE), send(ignored, 0, 0);
                if (way == 2) cork(1), send(to, 1, 0), send(ignored, 1, 0), cork(0);
                if (way == 3)
                  check(connect(fd, to.get(), to.size), "connect"), cork(1), check(write(fd, "x", 1), "write"),
                      send(ignored, 2, 0), cork(0);
                char bytes[16];
                check(recv(a, bytes, sizeof bytes, MSG_DONTWAIT), "recv");
                if (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) >= 0) throw std::runtime_error("it is not ignored");
              },
              &truth);
          INFO(Json(events).dump());
          REQUIRE(!events.empty());
          CHECK(events[0]["rport"] == truth["to"]);
          if (hooks || tier == "fentry") CHECK(events.size() == 1);
          for (std::size_t i = 1; i < events.size(); i++)
            CHECK((events[i]["rport"].is_null() && events[i]["raddr"].is_null() && events[i]["src"] == "user"));
        }
}
TEST_CASE("UDP: a socket that has corked sends what is behind that where it says") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false}) {
      INFO(tier << (hooks ? "" : " without the hooks of cgroups"));
      const auto events = trace_hooked(tier, hooks, {}, [&](Json&) {
        const int fd = new_socket(AF_INET, SOCK_DGRAM);
        for (int i = 0; i < 5; i++) {
          int on = 1;
          check(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on), "UDP_CORK");
          if (try_send(fd, ip_address("127.0.0.1", 41000 + 2 * i), 3)) throw std::runtime_error("sendto");
          on = 0;
          check(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on), "UDP_CORK");
          if (try_send(fd, ip_address("127.0.0.1", 41001 + 2 * i), 3)) throw std::runtime_error("sendto");
        }
      });
      INFO(Json(events).dump());
      REQUIRE(events.size() == 10);
      for (int i = 0; i < 10; i++) CHECK(events[static_cast<std::size_t>(i)]["rport"] == 41000 + i);
    }
}
TEST_CASE("UDP: a message with more than data, for the connected peer, has no address") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false}) {
      INFO(tier << (hooks ? "" : " without the hooks of cgroups"));
      const auto events = trace_hooked(tier, hooks, {"--udp-all"}, [&](Json&) {
        for (const int family : {AF_INET, AF_INET6}) {
          const int s = server(ip_address(family == AF_INET ? "127.0.0.1" : "::1", 0), SOCK_DGRAM),
                    fd = new_socket(family, SOCK_DGRAM);
          const Address to = local_of(s);
          check(connect(fd, to.get(), to.size), "connect");
          char byte = 'x';
          iovec data{&byte, 1};
          alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
          msghdr m{};
          m.msg_iov = &data, m.msg_iovlen = 1, m.msg_control = control, m.msg_controllen = sizeof control;
          cmsghdr* const more = CMSG_FIRSTHDR(&m);
          more->cmsg_level = family == AF_INET ? SOL_IP : SOL_IPV6, more->cmsg_type = family == AF_INET ? IP_TTL : IPV6_HOPLIMIT,
          more->cmsg_len = CMSG_LEN(sizeof(int));
          *reinterpret_cast<int*>(CMSG_DATA(more)) = 9;
          check(sendmsg(fd, &m, 0), "sendmsg");
        }
      });
      INFO(Json(events).dump());
      REQUIRE(events.size() == 2);
      for (const Json& e : events) CHECK(e["via"] == "connect");
    }
}
TEST_CASE("UDP: sockets that come one after the other are not taken for each other") {
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool hooks : {true, false}) {
      INFO(tier << (hooks ? "" : " without the hooks of cgroups"));
      CHECK(trace_hooked(tier, hooks, {"--buffer", "16M"}, [](Json&) {
              for (int i = 0; i < 500; i++) {
                const int fd = new_socket(AF_INET, SOCK_DGRAM);
                if (try_send(fd, ip_address("127.0.0.1", 40001))) throw std::runtime_error("sendto");
                close(fd);
                if (i % 100 == 0) usleep(10'000);  // so that the kernel gets to use their memory again
              }
            }).size() == 500);
    }
}
TEST_CASE("M: a connect that signals interrupt is one line, with EINTR only if it is not made again") {
  TempDir dir;
  for (const std::string& tier : tiers("connectsnoop"))
    for (const bool restarts : {true, false}) {
      INFO(tier << " " << restarts);
      const std::string path = dir / "full";
      unlink(path.c_str());
      const int l = server(unix_address(path), SOCK_STREAM, 0, 0);
      const auto events = trace("connectsnoop", {"--hook", tier}, [&](Json&) {
        const Address to = unix_address(path);
        check(connect(new_socket(AF_UNIX, SOCK_STREAM), to.get(), to.size), "connect");  // there is room for one
        const pthread_t waits = pthread_self();
        struct sigaction action {};
        action.sa_handler = [](int) {};
        action.sa_flags = restarts ? SA_RESTART : 0;
        sigaction(SIGUSR1, &action, nullptr);
        std::thread other([&] {
          sigset_t all;
          sigfillset(&all);
          pthread_sigmask(SIG_BLOCK, &all, nullptr);
          for (int i = 0; i < 5; i++) usleep(20'000), pthread_kill(waits, SIGUSR1);
          close(accept(l, nullptr, nullptr));
        });
        const int error = try_connect(new_socket(AF_UNIX, SOCK_STREAM), to);
        other.join();
        if (error != (restarts ? 0 : EINTR)) throw std::runtime_error("another outcome expected");
      });
      INFO(Json(events).dump());
      REQUIRE(events.size() == 2);
      CHECK(events[1]["errno"] == (restarts ? 0 : EINTR));
      CHECK(events[1]["raddr"] == path);
      close(l);
    }
}
TEST_CASE("R: ms only where a packet was sent") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier}, [](Json&) {
      own_network(true);
      const Address to = local_of(server(ip_address("127.0.0.1", 0)));
      const int repaired = new_socket(AF_INET, SOCK_STREAM), on = 1;
      check(setsockopt(repaired, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on), "TCP_REPAIR");
      check(connect(repaired, to.get(), to.size), "connect");
      const int late = new_socket(AF_INET, SOCK_STREAM);
      check(setsockopt(late, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on), "TCP_FASTOPEN_CONNECT");
      const int usual = new_socket(AF_INET, SOCK_STREAM);
      check(connect(usual, to.get(), to.size), "connect");
    });
    REQUIRE(events.size() == 2);
    CHECK(events[0]["ms"].is_null());
    CHECK(events[1]["ms"].get<double>() > 0);
  }
}
TEST_CASE("many attempts under way: a few KiB each, and those without room are told at once") {
  const int sockets = 4200;  // a process has a share of 4096
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Actor actor([](Json& t) {
      own_network(true);
      rlimit files{5000, 5000};
      setrlimit(RLIMIT_NOFILE, &files);
      const int l = server(ip_address("127.0.0.1", 0), SOCK_STREAM, 0, 0);
      const Address to = local_of(l);
      check(connect(new_socket(AF_INET, SOCK_STREAM), to.get(), to.size), "connect");
      int begun = 0;
      for (; begun < sockets; begun++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0) break;
        connect(fd, to.get(), to.size);
      }
      t["begun"] = begun + 1;
    });
    Tracer tracer("connectsnoop", {"-j", "-e", "--hook", tier, "-p", actor.id(), "--buffer", "64M"});
    Json truth;
    const auto events = trace(tracer, actor, &truth);
    const int begun = truth["begun"];
    if (begun < sockets) CANNOT_TEST("no " << sockets << " descriptors for one process here");
    REQUIRE(events.size() == static_cast<std::size_t>(begun));
    int unknown = 0;
    for (const Json& e : events) unknown += e["errno"].is_null();
    CHECK(unknown >= begun - 4096 - 8);
  }
}
TEST_CASE("UNIX sockets: real paths, abstract names, and who listens") {
  TempDir dir;
  one_line(
      [&](Json& t) {  // by a relative name, through a symlink
        const std::string path = dir / "a socket";
        unlink(path.c_str());
        unlink((dir / "link").c_str());
        const int l = server(unix_address(path));
        check(symlink("a socket", (dir / "link").c_str()), "symlink");
        check(chdir(dir.path().c_str()), "chdir");
        const int fd = new_socket(AF_UNIX, SOCK_STREAM);
        check(connect(fd, unix_address("link").get(), unix_address("link").size), "connect");
        t = {{"errno", 0},         {"raddr", path},     {"proto", "unix"},  {"family", "unix"}, {"socket_type", "stream"},
             {"fd", fd},           {"laddr", nullptr},  {"rport", nullptr}, {"lport", nullptr}, {"peer_pid", getpid()},
             {"net_ns", net_ns()}, {"mapped", nullptr}, {"ms", nullptr}};
        close(l);
      },
      "fd", "kernel");
  one_line(
      [](Json& t) {
        const std::string name = std::string("\0needle-test", 12) + std::to_string(getpid());
        const int s = server(unix_address(name), SOCK_DGRAM);
        const int fd = server(unix_address(name + "-client"), SOCK_DGRAM);
        check(connect(fd, unix_address(name).get(), unix_address(name).size), "connect");
        t = {{"errno", 0},
             {"raddr", "@" + name.substr(1)},
             {"laddr", "@" + name.substr(1) + "-client"},
             {"socket_type", "dgram"},
             {"peer_pid", nullptr}};
        close(s);
      },
      "fd", "kernel");
  one_line(
      [&](Json& t) {
        check(chdir(dir.path().c_str()), "chdir");
        const int fd = new_socket(AF_UNIX, SOCK_SEQPACKET);
        t = {{"errno", try_connect(fd, unix_address("absent"))},
             {"error", "ENOENT"},
             {"raddr", dir / "absent"},
             {"socket_type", "seqpacket"}};
      },
      "user", "kernel");
}
TEST_CASE("netlink, packet, vsock") {
  one_line(
      [](Json& t) {
        const int fd = new_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
        sockaddr_nl to{};
        to.nl_family = AF_NETLINK;
        check(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), "connect");
        sockaddr_nl local{};
        socklen_t size = sizeof local;
        getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
        t = {{"errno", 0}, {"proto", "netlink"}, {"rport", 0}, {"lport", local.nl_pid}, {"raddr", nullptr}};
      },
      "fd", "kernel");
  one_line(
      [](Json& t) {
        const int fd = new_socket(AF_PACKET, SOCK_RAW);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
        t = {{"errno", errno}, {"error", "EOPNOTSUPP"}, {"proto", "packet"}};
      },
      "user", "kernel");
  const int v = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (v < 0) {
    WARN("this kernel has no vsock: not tested");
    return;
  }
  close(v);
  one_line(
      [](Json& t) {
        const int fd = new_socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK);
        sockaddr_vm to{};
        to.svm_family = AF_VSOCK;
        to.svm_cid = VMADDR_CID_LOCAL;
        to.svm_port = 70000;
        connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
        t = {{"errno", errno}, {"proto", "vsock"}, {"raddr", "1"}, {"rport", 70000}};
      },
      "user", "kernel");
}
TEST_CASE("filters") {
  const int l = server(ip_address("127.0.0.1", 0)), l6 = server(ip_address("::1", 0));
  const Address four = local_of(l), six = local_of(l6);
  const auto deed = [&](Json&) {
    for (const Address* to : {&four, &six}) {
      const int fd = new_socket(to->storage.ss_family, SOCK_STREAM);
      check(connect(fd, to->get(), to->size), "connect");
    }
    const Address mapped = ip_address("::ffff:127.0.0.2", 53);
    const int u = new_socket(AF_INET6, SOCK_DGRAM);
    check(connect(u, mapped.get(), mapped.size), "connect");
    try_connect(new_socket(AF_UNIX, SOCK_STREAM), unix_address("/absent"));
  };
  const auto seen = [&](const Args& args) {
    std::string all;
    for (const Json& e : trace("connectsnoop", args, deed)) all += (all.empty() ? "" : " ") + e["raddr"].get<std::string>();
    return all;
  };
  CHECK(seen({}) == "127.0.0.1 ::1 127.0.0.2 /absent");
  CHECK(seen({"-4"}) == "127.0.0.1 127.0.0.2");
  CHECK(seen({"-6"}) == "::1");
  CHECK(seen({"-4", "-6"}) == "127.0.0.1 ::1 127.0.0.2");
  CHECK(seen({"--port", "53"}) == "127.0.0.2");
  CHECK(seen({"--port", "53," + std::to_string(six.port())}) == "::1 127.0.0.2");
  CHECK(seen({"--dest", "127.0.0.0/31"}) == "127.0.0.1");
  CHECK(seen({"--dest", "127.0.0.2", "--dest", "::1/128"}) == "::1 127.0.0.2");
  CHECK(seen({"--dest", "::/0"}) == "127.0.0.1 ::1 127.0.0.2");
  CHECK(seen({"--proto", "udp,unix"}) == "127.0.0.2 /absent");
  CHECK(seen({"-x"}) == "/absent");
  CHECK(seen({"--exclude-port", "53," + std::to_string(six.port())}) == "127.0.0.1 /absent");
  CHECK(seen({"--exclude-dest", "127.0.0.2", "--exclude-dest", "::1"}) == "127.0.0.1 /absent");
  CHECK(seen({"--dest", "localhost", "--exclude-dest", "127.0.0.1"}) == "::1 127.0.0.2");
  CHECK(seen({"--port", "domain"}) == "127.0.0.2");
}
TEST_CASE("bad values are refused with one line") {
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--dest", "10.0.0.0/33"},
                                                                                      {"--dest", "::/129"},
                                                                                      {"--dest", "abc"},
                                                                                      {"--dest", "10.0.0.0/"},
                                                                                      {"--dest", "10.0.0.0/8x"},
                                                                                      {"--dest", ""},
                                                                                      {"--port", "65536"},
                                                                                      {"--port", "80,"},
                                                                                      {"--port", "no-such-service"},
                                                                                      {"--port", "-1"},
                                                                                      {"--exclude-port", "x"},
                                                                                      {"--exclude-dest", "abc"},
                                                                                      {"--proto", "tcp,foo"}}) {
    INFO(option << " " << value);
    const Result r = run_tool("connectsnoop", {option + "=" + value});
    CHECK(r.status == 2);
    CHECK(r.out.empty());
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.err.find(option) != std::string::npos);
  }
}
TEST_CASE("the table: one field a column, 80 characters for IPv4, the longest IPv6 address whole") {
  const std::string longest = "2001:db8:1111:2222:3333:4444:5555:6666";
  Actor actor([&](Json& t) {
    own_network(true);
    prctl(PR_SET_NAME, "client");
    struct {
      in6_addr addr;
      unsigned prefix;
      int index;
    } r{};
    inet_pton(AF_INET6, longest.c_str(), &r.addr);
    r.prefix = 128, r.index = 1;
    check(ioctl(new_socket(AF_INET6, SOCK_DGRAM), SIOCSIFADDR, &r), "SIOCSIFADDR");
    const Address ready = ip_address(longest, 0);  // which it is a moment later
    for (int fd = new_socket(AF_INET6, SOCK_DGRAM); bind(fd, ready.get(), ready.size) != 0;) usleep(1000);
    Json ignored;
    tcp_ok(t, "127.0.0.1", "127.0.0.1");
    tcp_ok(ignored, longest.c_str(), longest.c_str());
  });
  Tracer tracer("connectsnoop", {"-p", actor.id()});
  const Json truth = actor.act();
  tracer.stop();
  const auto lines = tracer.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].size() <= 80);
  CHECK(lines[0].find(" 127.0.0.1 ") != std::string::npos);
  CHECK(lines[1].find(" " + longest + " ") != std::string::npos);
  for (const std::string& line : lines) {
    std::istringstream words(line);
    CHECK(std::distance(std::istream_iterator<std::string>(words), {}) >= 9);
  }
}
