// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How sockets and addresses print, and the columns of a socket.
#pragma once

#include "print/column.h"
#include "sock.h"

#include <array>
#include <span>
#include <string_view>

namespace needle {

std::span<const std::string_view> proto_names();  // by enum proto; the first has none
void put_family(Buffer&, unsigned family);        // AF_*
void put_proto(Buffer&, unsigned proto);          // enum proto
void put_socktype(Buffer&, unsigned type);        // SOCK_*

template <> struct Format<ev_port> : Integer<ev_port, 5, true> {};
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
  static void put(Buffer& out, ev_proto p) { put_proto(out, static_cast<unsigned>(p)); }
};

template <> struct Format<ev_family> : Word<ev_family, Format<ev_family>, 7> {
  static bool none(ev_family f) { return static_cast<unsigned>(f) == EV_NONE; }
  static void put(Buffer& out, ev_family f) { put_family(out, static_cast<unsigned>(f)); }
};

template <> struct Format<ev_socktype> : Word<ev_socktype, Format<ev_socktype>, 9> {
  static bool none(ev_socktype t) { return static_cast<unsigned>(t) == EV_NONE; }
  static void put(Buffer& out, ev_socktype t) { put_socktype(out, static_cast<unsigned>(t)); }
};

// An IP address, a path, an @abstract name, or the number of a virtual machine.
template <> struct Format<ev_addr> {
  static constexpr int width = 15;
  static constexpr int least = 39;  // no IPv6 address is cut, but a path is
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_addr& a, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, const ev_addr& a, const Record& r);
};

// socket_columns<&bind_event::sock>: what a socket is.
template <auto Socket> inline constexpr std::array socket_columns{
    column<Socket, &ev_socket::proto>("proto",
                                      "tcp, udp, mptcp, unix, netlink, packet, vsock, icmp, raw, sctp, dccp, "
                                      "udplite, or af_ and a number"),
    hidden(column<Socket, &ev_socket::family>("family", "address family of what travels: inet also for v4-mapped IPv6")),
    hidden(column<Socket, &ev_socket::type>("socket_type", "type of the socket: stream, dgram, seqpacket, raw")),
    hidden(column<Socket, &ev_socket::net_ns>("net_ns", "network namespace of the socket, as in /proc/PID/ns/net")),
    hidden(column<Socket, &ev_socket::cookie>("cookie", "the socket's cookie (SO_COOKIE), if it has one")),
};

}  // namespace needle
