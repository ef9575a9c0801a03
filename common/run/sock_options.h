// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --port, --dest, --proto, -4, -6 and their opposites, for tools that include sock_filter.bpf.h.
#pragma once

#include "print/net.h"
#include "sock.h"
#include "tool.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

// Throw BadUsage, which names the option.
std::vector<__u32> ports_of(std::string_view option, std::string_view list);         // host byte order; also names of services
ip_prefix network_of(std::string_view option, std::string_view text);                // "10.0.0.0/8", "::1"
std::vector<ip_prefix> networks_of(std::string_view option, std::string_view text);  // or a name in /etc/hosts
unsigned protos_of(std::string_view list);                                           // bit n for enum proto n

// `Bpf`: the tool's Skeleton.
template <class Bpf, unsigned Version> Setting want_version(std::string_view, std::vector<std::string>&) {
  return [](Object& o, MapEntries&) { Bpf::constants(o).only_versions |= Version; };
}
template <class Bpf> inline constexpr std::array socket_options{
    Option{"--port", "LIST", "only these remote ports, separated by commas",
           [](std::string_view list, std::vector<std::string>&) -> Setting {
             return [ports = ports_of("--port", list)](Object& o, MapEntries& entries) {
               for (const __u32 port : ports) entries.add(Bpf::of(o).maps.only_ports, port);
               Bpf::constants(o).port_filter = true;
             };
           }},
    Option{"--dest", "CIDR", "only to this address or network (repeatable: to any)",
           [](std::string_view text, std::vector<std::string>&) -> Setting {
             return [networks = networks_of("--dest", text)](Object& o, MapEntries& entries) {
               for (const ip_prefix& network : networks) entries.add(Bpf::of(o).maps.only_dests, network);
               Bpf::constants(o).dest_filter = true;
             };
           }},
    Option{"--exclude-port", "LIST", "not these remote ports",
           [](std::string_view list, std::vector<std::string>&) -> Setting {
             return [ports = ports_of("--exclude-port", list)](Object& o, MapEntries& entries) {
               for (const __u32 port : ports) entries.add(Bpf::of(o).maps.not_ports, port);
               Bpf::constants(o).not_port_filter = true;
             };
           }},
    Option{"--exclude-dest", "CIDR", "not to this address or network (repeatable)",
           [](std::string_view text, std::vector<std::string>&) -> Setting {
             return [networks = networks_of("--exclude-dest", text)](Object& o, MapEntries& entries) {
               for (const ip_prefix& network : networks) entries.add(Bpf::of(o).maps.not_dests, network);
               Bpf::constants(o).not_dest_filter = true;
             };
           }},
    Option{"--proto", "LIST", "only these protocols, such as tcp,udp,unix",
           [](std::string_view list, std::vector<std::string>&) -> Setting {
             return [protos = protos_of(list)](Object& o, MapEntries&) { Bpf::constants(o).only_protos |= protos; };
           },
           [] {
             const auto names = proto_names().subspan(1);
             return std::vector(names.begin(), names.end());
           }},
    Option{"-4,--ipv4", "", "only IPv4", want_version<Bpf, IP_V4>},
    Option{"-6,--ipv6", "", "only IPv6", want_version<Bpf, IP_V6>},
};

}  // namespace needle
