/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which sockets and addresses are asked for: --proto, -4, -6, --port, --dest, and what is left out. See run/sock_options.h. */
#ifndef NEEDLE_SOCK_FILTER_BPF_H
#define NEEDLE_SOCK_FILTER_BPF_H

#include "sock.bpf.h"

const volatile __u32 only_protos = 0;                                 /* --proto: bit n for enum proto n; 0: all */
const volatile __u32 only_versions = 0;                               /* -4, -6: enum ip_version; 0: all families */
const volatile bool port_filter = false, dest_filter = false;         /* --port, --dest */
const volatile bool not_port_filter = false, not_dest_filter = false; /* --exclude-port, --exclude-dest */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} only_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ip_prefix);
	__type(value, __u8);
} only_dests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} not_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ip_prefix);
	__type(value, __u8);
} not_dests SEC(".maps");

static __always_inline bool proto_wanted(__u32 proto)
{
	__u32 bit = proto & PROTO_FAMILY ? PROTO_OTHER : proto;

	return !only_protos || only_protos >> bit & 1;
}

static __always_inline bool dest_wanted(const struct ev_addr *a, __u32 port)
{
	if (only_versions) {
		if (a->kind != ADDR_IP || !(only_versions & (ip_is_v4(a->ip) ? IP_V4 : IP_V6)))
			return false;
	}
	if (port_filter && !bpf_map_lookup_elem(&only_ports, &port))
		return false;
	if (not_port_filter && bpf_map_lookup_elem(&not_ports, &port))
		return false;
	if (dest_filter || not_dest_filter) {
		struct ip_prefix key = {.bits = 128};

		__builtin_memcpy(key.ip, a->ip, sizeof(key.ip));
		if (dest_filter && (a->kind != ADDR_IP || !bpf_map_lookup_elem(&only_dests, &key)))
			return false;
		if (not_dest_filter && a->kind == ADDR_IP && bpf_map_lookup_elem(&not_dests, &key))
			return false;
	}
	return true;
}

#endif
