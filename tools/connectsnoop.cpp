// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "connectsnoop.h"
#include "tools.h"

#include "connectsnoop.skel.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <utility>

using namespace needle;
using Bpf = Skeleton<connectsnoop_bpf>;

namespace {

constexpr std::string_view kProtos[] = {
    "",
#define X(name, text) text,
    NEEDLE_PROTOS(X)
#undef X
};

void put_family(Buffer& out, unsigned family) {
  switch (family) {
    case AF_UNSPEC: out += "unspec"; return;
    case AF_UNIX: out += "unix"; return;
    case AF_INET: out += "inet"; return;
    case AF_INET6: out += "inet6"; return;
    case AF_NETLINK: out += "netlink"; return;
    case AF_PACKET: out += "packet"; return;
    case AF_VSOCK: out += "vsock"; return;
    default:
      out += "af_";
      put_decimal(out, std::uint64_t{family});
  }
}

// Numbers, IPv4 also where it travels as v4-mapped IPv6; the interface behind a link-local address.
void put_ip(Buffer& out, const ev_addr& a) {
  constexpr __u8 kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = std::memcmp(a.ip, kMapped, sizeof kMapped) == 0;
  char text[INET6_ADDRSTRLEN];
  out += v4 ? inet_ntop(AF_INET, a.ip + 12, text, sizeof text) : inet_ntop(AF_INET6, a.ip, text, sizeof text);
  if (a.scope == 0) return;
  out.push_back('%');
  put_decimal(out, std::uint64_t{a.scope});
}

}  // namespace

namespace needle {

template <> struct Format<ev_cookie> : Integer<ev_cookie, 8> {
  static void text(Buffer& out, ev_cookie c, Blanks b) {
    if (c == ev_cookie{}) out.push_back('-');
    else Integer::text(out, c, b);
  }
  static void json(Buffer& out, std::string_view key, ev_cookie c) {
    if (c != ev_cookie{}) return Integer::json(out, key, c);
    put_key(out, key);
    out += "null";
  }
};

template <> struct Format<ev_proto> : Word<ev_proto, Format<ev_proto>, 5> {
  static bool none(ev_proto p) { return p == ev_proto{PROTO_NONE}; }
  static void put(Buffer& out, ev_proto p) {
    const auto value = static_cast<unsigned>(p);
    if (value < std::size(kProtos)) out += kProtos[value];
    else put_family(out, value & ~unsigned{PROTO_FAMILY});
  }
};

template <> struct Format<ev_family> : Word<ev_family, Format<ev_family>, 7> {
  static bool none(ev_family f) { return static_cast<unsigned>(f) == EV_NONE; }
  static void put(Buffer& out, ev_family f) { put_family(out, static_cast<unsigned>(f)); }
};

template <> struct Format<ev_socktype> : Word<ev_socktype, Format<ev_socktype>, 9> {
  static bool none(ev_socktype t) { return static_cast<unsigned>(t) == EV_NONE; }
  static void put(Buffer& out, ev_socktype t) {
    switch (static_cast<unsigned>(t)) {
      case SOCK_STREAM: out += "stream"; return;
      case SOCK_DGRAM: out += "dgram"; return;
      case SOCK_RAW: out += "raw"; return;
      case SOCK_RDM: out += "rdm"; return;
      case SOCK_SEQPACKET: out += "seqpacket"; return;
      default: put_decimal(out, std::uint64_t{static_cast<unsigned>(t)});
    }
  }
};

// An IP address, a path, an @abstract name, or the number of a virtual machine.
template <> struct Format<ev_addr> {
  static constexpr int width = 15;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_addr& a, Record r, Blanks b) {
    switch (a.kind) {
      case ADDR_IP: put_ip(out, a); return;
      case ADDR_PATH: Format<ev_str>::text(out, a.str, r, b); return;
      case ADDR_ABSTRACT:
        out.push_back('@');
        if (a.str.len > 0) Format<ev_str>::text(out, a.str, r, b);
        return;
      case ADDR_NUMBER: put_decimal(out, std::uint64_t{a.scope}); return;
      case ADDR_UNKNOWN: out.push_back('?'); return;
      default: out.push_back('-');
    }
  }
  static void json(Buffer& out, std::string_view key, const ev_addr& a, Record r) {
    if (a.kind == ADDR_PATH) return Format<ev_str>::json(out, key, a.str, r);
    if (a.kind == ADDR_ABSTRACT) return put_json_member(out, key, '@' + std::string(r.str(a.str)));
    put_key(out, key);
    if (a.kind == ADDR_NONE || a.kind == ADDR_UNKNOWN) {
      out += "null";
      return;
    }
    out.push_back('"');
    text(out, a, r, Blanks::escaped);
    out.push_back('"');
  }
};

template <> inline constexpr auto gathered<connect_event> = std::tuple{
    Gathered<WANT_TIME, &connect_event::ms>{}, Gathered<WANT_REQUESTED, &connect_event::requested, &connect_event::requested_port>{}};

}  // namespace needle

// The default columns fit 80 characters for IPv4.
static constexpr auto columns = [] {
  auto all = header_columns<connect_event> + context_columns + std::array{
    column<&connect_event::proto>("proto", "tcp, udp, mptcp, unix, netlink, packet, vsock, icmp, raw, sctp, dccp, "
                                           "udplite, or af_ and a number"),
    hidden(column<&connect_event::family>("family", "address family of what travels: inet also for v4-mapped IPv6")),
    hidden(column<&connect_event::type>("type", "type of the socket: stream, dgram, seqpacket, raw")),
    hidden(column<&connect_event::mapped>("mapped", "whether an IPv6 socket uses IPv4: ::ffff:a.b.c.d")),
    hidden(column<&connect_event::net_ns>("net_ns", "network namespace of the socket, as in /proc/PID/ns/net")),
    hidden(column<&connect_event::cookie>("cookie", "the socket's cookie (SO_COOKIE), if it has one")),
    hidden(column<&connect_event::fd>("fd", "the descriptor of the socket, if the call had one")),
    hidden(column<&connect_event::peer_pid>("peer_pid", "process that listens, of a UNIX stream socket")),
    column<&connect_event::laddr>("laddr", "local address"),
    column<&connect_event::lport>("lport", "local port"),
    column<&connect_event::raddr>("raddr", "remote address: IP, path, @abstract name"),
    column<&connect_event::rport>("rport", "remote port"),
    hidden(column<&connect_event::requested>("requested", "address as the process gave it, before programs of cgroups changed it")),
    hidden(column<&connect_event::requested_port>("requested_port", "port as the process gave it")),
    wide(column<&connect_event::err>("err", "why it failed; ECANCELED: closed before it was through"), 3),
    wide(column<&connect_event::ms>("ms", "TCP: how long the handshake took, in milliseconds"), 6),
  };
  for (Column& c : all)
    if (c.name == "comm") c.width = 10;
  return all;
}();

namespace {

// Calls f for each word between commas.
template <class F> void for_each_word(std::string_view list, F f) {
  for (std::size_t end = 0; end != list.npos; list.remove_prefix(end == list.npos ? 0 : end + 1)) {
    end = list.find(',');
    f(list.substr(0, end));
  }
}

template <class T> bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

Setting want_ports(std::string_view list, std::vector<std::string>&) {
  std::vector<__u32> ports;
  for_each_word(list, [&](std::string_view word) {
    __u32 port = 0;
    if (!to_number(word, port) || port > 65535)
      throw BadUsage("--port: '" + std::string(word) + "' is not a port; give numbers from 0 to 65535, as in --port 80,443");
    ports.push_back(port);
  });
  return [ports](Object& o, MapEntries& entries) {
    for (const __u32 port : ports) entries.add(Bpf::of(o).maps.only_ports, port);
    Bpf::constants(o).port_filter = true;
  };
}

Setting want_dest(std::string_view text, std::vector<std::string>&) {
  const auto bad = [&](const std::string& why) {
    throw BadUsage("--dest: '" + std::string(text) + "' " + why + "; give an address or a network, as in --dest 10.0.0.0/8");
  };
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  ip_prefix key{.bits = 128, .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
  unsigned most = 128;
  if (inet_pton(AF_INET, address.c_str(), key.ip + 12) == 1) most = 32;
  else if (inet_pton(AF_INET6, address.c_str(), key.ip) != 1) bad("is not an IP address");
  if (slash != text.npos) {
    unsigned bits = 0;
    if (!to_number(text.substr(slash + 1), bits) || bits > most) bad("has no prefix of 0 to " + std::to_string(most) + " bits");
    key.bits = 128 - most + bits;
  }
  return [key](Object& o, MapEntries& entries) {
    entries.add(Bpf::of(o).maps.only_dests, key);
    Bpf::constants(o).dest_filter = true;
  };
}

Setting want_protos(std::string_view list, std::vector<std::string>&) {
  unsigned protos = 0;
  for_each_word(list, [&protos](std::string_view word) {
    for (std::size_t i = 1; i < std::size(kProtos); i++)
      if (kProtos[i] == word) {
        protos |= 1u << i;
        return;
      }
    std::string names;
    for (std::size_t i = 1; i < std::size(kProtos); i++) names += (i > 1 ? " " : "") + std::string(kProtos[i]);
    throw BadUsage("--proto: there is no '" + std::string(word) + "'; there are: " + names);
  });
  return [protos](Object& o, MapEntries&) { Bpf::constants(o).only_protos |= protos; };
}

template <unsigned Version> Setting want_version(std::string_view, std::vector<std::string>&) {
  return [](Object& o, MapEntries&) { Bpf::constants(o).only_versions |= Version; };
}

constexpr Option options[] = {
    {"--port", "LIST", "only these remote ports, separated by commas", want_ports},
    {"--dest", "CIDR", "only to this address or network (repeatable: to any)", want_dest},
    {"--proto", "LIST", "only these protocols, such as tcp,udp,unix", want_protos},
    {"-4,--ipv4", "", "only IPv4", want_version<IP_V4>},
    {"-6,--ipv6", "", "only IPv6", want_version<IP_V6>},
    Bpf::flag<&Bpf::Constants::udp_all>("--udp-all", "every UDP datagram with an address of its own, not only the first to each"),
};

}  // namespace

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
    sendto(fd, bytes.data(), family == AF_INET ? 65'520 : bytes.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
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
     "without the hooks of cgroups (CAP_NET_ADMIN), UDP datagrams show the caller's address (src=user), and those of io_uring none"},
    {"address__", "", "without the hooks of cgroups (CAP_NET_ADMIN), a Fast Open that fails before a packet is not shown"},
};
constexpr auto nothing_more = [](Object&) {};
static constexpr Trial trials[] = {
    {"connect", connect_nowhere}, {"address__tp_opt_connect4", nothing_more}, {"address__tp_opt_connect6", nothing_more},
    {"sent", send_nowhere}, {"sent__fentry_opt_v6", nothing_more}, {"sent__fentry_opt_sendto", nothing_more},
    {"sent__fentry_opt_sendmsg", nothing_more}, {"sent__fentry_opt_sendmmsg", nothing_more},
    {"udp__tp_opt_v4", nothing_more}, {"udp__tp_opt_v6", nothing_more},
    {"udp__fentry_opt_v4", nothing_more}, {"udp__fentry_opt_v6", nothing_more},
};

constexpr Tool needle::connectsnoop = make_tool<connectsnoop_bpf, connect_event>(
    "connectsnoop", "connect", "Trace connections as they are attempted, with their outcome.",
    "connectsnoop --port 80,443\twho talks to web servers\n"
    "connectsnoop -x -n curl\tattempts of curl that fail\n"
    "connectsnoop --proto unix\tUNIX sockets: who asks which daemon\n"
    "connectsnoop --dest 169.254.169.254\twho asks for cloud credentials\n",
    columns, options, trials, blind);
