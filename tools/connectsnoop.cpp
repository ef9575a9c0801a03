// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "connectsnoop.h"
#include "print/net.h"
#include "run/sock_options.h"
#include "tools.h"

#include "connectsnoop.skel.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <utility>

using namespace needle;
using Bpf = Skeleton<connectsnoop_bpf>;

namespace needle {

template <> inline constexpr auto gathered<connect_event> =
    std::tuple{Gathered<WANT_TIME, &connect_event::ms>{},
               Gathered<WANT_REQUESTED, &connect_event::requested, &connect_event::requested_port>{}};

// In brackets where a port behind it could not be told from it.
struct Bracketed {
  static constexpr int width = Format<ev_addr>::width;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_addr& a, const Record& r, Blanks b) {
    const std::size_t start = out.size();
    Format<ev_addr>::text(out, a, r, b);
    if (a.kind != ADDR_IP || out.find(':', start) == out.npos) return;
    out.insert(start, 1, '[');
    out.push_back(']');
  }
  static void json(Buffer& out, std::string_view key, const ev_addr& a, const Record& r) {
    Format<ev_addr>::json(out, key, a, r);
  }
};

}  // namespace needle

// The default columns fit 80 characters for IPv4.
static constexpr auto columns = [] {
  auto all = header_columns<connect_event> + context_columns + socket_columns<&connect_event::sock> +
             std::array{
                 hidden(column<&connect_event::mapped>("mapped", "whether an IPv6 socket uses IPv4: ::ffff:a.b.c.d")),
                 hidden(column<&connect_event::fd>("fd", "the descriptor of the socket, if the call had one")),
                 hidden(column<&connect_event::peer_pid>("peer_pid", "process that listens, of a UNIX stream socket")),
                 column<&connect_event::laddr>("laddr", "local address"),
                 column<&connect_event::lport>("lport", "local port"),
                 column<&connect_event::raddr>("raddr", "remote address: IP, path, @abstract name"),
                 column<&connect_event::rport>("rport", "remote port"),
                 hidden(column<&connect_event::requested>(
                     "requested", "address as the process gave it, before programs of cgroups changed it")),
                 hidden(column<&connect_event::requested_port>("requested_port", "port as the process gave it")),
                 wide(column<&connect_event::err>("err", "why it failed; ECANCELED: closed before it was through"), 3),
                 wide(column<&connect_event::ms>("ms", "TCP: how long the handshake took, in milliseconds"), 6),
             };
  for (Column& c : all)
    if (c.name == "comm") c.width = 10;
  return all;
}();

static constexpr Phrase what[] = {
    {"", named("proto", columns)},
    {" ", column_as<Bracketed, &connect_event::raddr>("raddr", "")},
    {":", named("rport", columns)},
    {" in ", named("ms", columns), " ms"},
    {" from ", column_as<Bracketed, &connect_event::laddr>("laddr", "")},
    {":", named("lport", columns)},
};

static constexpr auto options =
    socket_options<Bpf> + std::array{
                              Bpf::flag<&Bpf::Constants::udp_all>(
                                  "--udp-all", "every UDP datagram with an address of its own, not only the first to each"),
                          };

// No packet leaves by any of these. What the programs note of them (connects_seen and others) is by then so for all that follows.
static sockaddr_storage address(int family, bool everybody, in_port_t port) {
  sockaddr_storage a{};
  a.ss_family = static_cast<sa_family_t>(family);
  auto& v4 = reinterpret_cast<sockaddr_in&>(a);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(a);
  if (family == AF_INET) v4.sin_addr.s_addr = htonl(everybody ? INADDR_BROADCAST : INADDR_LOOPBACK);
  else inet_pton(AF_INET6, everybody ? "ff02::1" : "::1", &v6.sin6_addr);
  v4.sin_port = htons(port);
  return a;
}
// Through io_uring, where there is one.
static void ring_connect(int fd, const sockaddr_storage& to) {
  io_uring_params p{};
  const int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &p));
  if (ring < 0) return;
  const std::size_t queue_size = p.sq_off.array + p.sq_entries * sizeof(__u32);
  void* const queue = mmap(nullptr, queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  void* const entries = mmap(nullptr, sizeof(io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
  if (queue != MAP_FAILED && entries != MAP_FAILED) {
    io_uring_sqe& entry = *static_cast<io_uring_sqe*>(entries);
    entry = {};
    entry.opcode = IORING_OP_CONNECT;
    entry.fd = fd;
    entry.addr = reinterpret_cast<__u64>(&to);
    entry.off = sizeof(sockaddr_in6);
    char* const q = static_cast<char*>(queue);
    *reinterpret_cast<__u32*>(q + p.sq_off.array) = 0;
    __atomic_store_n(reinterpret_cast<__u32*>(q + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    syscall(SYS_io_uring_enter, ring, 1, 0, 0, nullptr, 0);
  }
  if (queue != MAP_FAILED) munmap(queue, queue_size);
  if (entries != MAP_FAILED) munmap(entries, sizeof(io_uring_sqe));
  close(ring);
}
static void connect_nowhere(Object& object) {
  // What has no connection dissolves none; and TCP has none with everybody.
  const sockaddr none{};
  for (const auto& [family, type] : {std::pair{AF_UNIX, SOCK_DGRAM}, {AF_INET, SOCK_STREAM}, {AF_INET6, SOCK_STREAM}}) {
    const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && family == AF_INET6) Bpf::of(object).bss->connects_seen |= IP_V6;  // nobody has it
    connect(fd, &none, sizeof none);
    const sockaddr_storage all = address(family, true, 9);
    if (family != AF_UNIX) connect(fd, reinterpret_cast<const sockaddr*>(&all), sizeof all);
    if (family == AF_INET) ring_connect(fd, all);
    close(fd);
  }
}
static void send_nowhere(Object& object) {
  // More than a datagram may have; and there is no port 0.
  std::string bytes(70'000, '\0');
  for (const int family : {AF_INET, AF_INET6}) {
    const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 && family == AF_INET6) Bpf::of(object).bss->sends_seen |= IP_V6;  // nobody has it
    sockaddr_storage to = address(family, false, 9);
    sendto(fd, bytes.data(), family == AF_INET ? 65'520 : bytes.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
           sizeof to);
    to = address(family, false, 0);
    mmsghdr message{};
    message.msg_hdr.msg_name = &to;
    message.msg_hdr.msg_namelen = sizeof to;
    sendmsg(fd, &message.msg_hdr, MSG_DONTWAIT);
    sendmmsg(fd, &message, 1, MSG_DONTWAIT);
    close(fd);
  }
}
constexpr Blind blind[] = {
    {"udp__", "",
     "without the hooks of cgroups (CAP_NET_ADMIN), UDP datagrams show the caller's address (src=user), and those of io_uring "
     "none"},
    {"address__", "", "without the hooks of cgroups (CAP_NET_ADMIN), a Fast Open that fails before a packet is not shown"},
};
constexpr auto nothing_more = [](Object&) {};
static constexpr Trial trials[] = {
    {"connect", connect_nowhere},
    {"address__tp_opt_connect4", nothing_more},
    {"address__tp_opt_connect6", nothing_more},
    {"sent", send_nowhere},
    {"sent__fentry_opt_v6", nothing_more},
    {"sent__fentry_opt_sendto", nothing_more},
    {"sent__fentry_opt_sendmsg", nothing_more},
    {"sent__fentry_opt_sendmmsg", nothing_more},
    {"udp__tp_opt_v4", nothing_more},
    {"udp__tp_opt_v6", nothing_more},
    {"udp__fentry_opt_v4", nothing_more},
    {"udp__fentry_opt_v6", nothing_more},
};

constexpr Tool needle::connectsnoop = make_tool<connectsnoop_bpf, connect_event>(
    "connectsnoop", "connect", "Trace connections as they are attempted, with their outcome.",
    "connectsnoop --port 80,443\twho talks to web servers\n"
    "connectsnoop -x -n curl\tattempts of curl that fail\n"
    "connectsnoop --proto unix\tUNIX sockets: who asks which daemon\n"
    "connectsnoop --dest 169.254.169.254\twho asks for cloud credentials\n",
    columns, {what}, options, trials, blind);
