#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# clang 14.0.6 (Debian 12), Linux 6.1.192.
# Guess:  whether one of two look-ups in maps has found something, `a || b`, is two tests of two pointers, which are nowhere else
#         used: what the verifier has against arithmetic with pointers that may be NULL does not concern it.
# So is:  clang makes one test of the two pointers ORed together, and the program is not loaded. One look-up behind the other, the
#         second only if the first has found nothing, is loaded.
source "$(dirname "$0")/lib.sh"
unpack bpftool=7.1.0+6.1.192-3 libbpf-dev=1:1.1.2-0+deb12u1 libbpf1=1:1.1.2-0+deb12u1 linux-libc-dev=6.1.192-3 \
  clang-14=1:14.0.6-12 libclang-cpp14=1:14.0.6-12 libllvm14=1:14.0.6-12 libclang-common-14-dev=1:14.0.6-12
program() { # NAME, and on stdin the body of found(int key)
  {
    cat <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, long);
} first SEC(".maps"), second SEC(".maps");
char LICENSE[] SEC("license") = "GPL";
long seen;
static __always_inline int found(int key)
{
C
    cat
    cat <<'C'
}
SEC("raw_tp/sys_enter") int run(void *ctx)
{
	if (found(1))
		seen++;
	return 0;
}
C
  } >"$tmp/$1.c"
  "$root/usr/bin/clang-14" -target bpf -g -O2 -I"$root/usr/include" -I"$root/usr/include/x86_64-linux-gnu" -c "$tmp/$1.c" -o "$tmp/$1.o"
}
program both <<'C'
	long *a = bpf_map_lookup_elem(&first, &key), *b = bpf_map_lookup_elem(&second, &key);

	return a || b;
C
program apart <<'C'
	return bpf_map_lookup_elem(&first, &key) || bpf_map_lookup_elem(&second, &key);
C
out=$(vm "$root/usr/sbin/bpftool" "$tmp/both.o" "$tmp/apart.o" <<'GUEST'
mount -t bpf bpf /sys/fs/bpf
for object in apart both; do
  bpftool prog load /bin/$object.o /sys/fs/bpf/$object 2>$object && echo $object: loads
  grep -o 'R[0-9] pointer .*' $object | sed "s/^/$object: /"
done
GUEST
)
expect 'loads of a test of two look-ups, and of one behind the other' 'apart: loads both: R[0-9] pointer \|= pointer prohibited' "$out"
