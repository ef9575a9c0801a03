// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/net.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstring>
#include <iterator>
#include <string>

namespace needle {
namespace {

constexpr std::string_view kProtos[] = {"",
#define X(name, text) text,
                                        NEEDLE_PROTOS(X)
#undef X
};

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

std::span<const std::string_view> proto_names() { return kProtos; }

void put_family(Buffer& out, unsigned family) {
  switch (family) {
    case AF_UNSPEC: out += "unspec"; return;
    case AF_UNIX: out += "unix"; return;
    case AF_INET: out += "inet"; return;
    case AF_INET6: out += "inet6"; return;
    case AF_NETLINK: out += "netlink"; return;
    case AF_PACKET: out += "packet"; return;
    case AF_VSOCK: out += "vsock"; return;
    default: out += "af_"; put_decimal(out, std::uint64_t{family});
  }
}

void put_proto(Buffer& out, unsigned proto) {
  if (proto < std::size(kProtos)) out += kProtos[proto];
  else put_family(out, proto & ~unsigned{PROTO_FAMILY});
}

void put_socktype(Buffer& out, unsigned type) {
  switch (type) {
    case SOCK_STREAM: out += "stream"; return;
    case SOCK_DGRAM: out += "dgram"; return;
    case SOCK_RAW: out += "raw"; return;
    case SOCK_RDM: out += "rdm"; return;
    case SOCK_SEQPACKET: out += "seqpacket"; return;
    default: put_decimal(out, std::uint64_t{type});
  }
}

void Format<ev_addr>::text(Buffer& out, const ev_addr& a, const Record& r, Blanks b) {
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

void Format<ev_addr>::json(Buffer& out, std::string_view key, const ev_addr& a, const Record& r) {
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

}  // namespace needle
