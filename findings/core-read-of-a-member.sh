#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libbpf 1.1.2 (Debian 12), Linux 6.1.192.
# Guess:  BPF_CORE_READ(src, member) evaluates `src`, any pointer, as C does, and has only `member` relocated: of own->task, with a
#         struct of the program's own, it reads the pointer that is there, as with `struct task_struct *task = own->task` before it.
# So is:  the accesses within `src` are relocated, too. The compiler says nothing; the load fails, since the kernel has no such
#         struct, or, worse, has one of that name with that member elsewhere.
source "$(dirname "$0")/lib.sh"
unpack bpftool=7.1.0+6.1.192-3 libbpf-dev=1:1.1.2-0+deb12u1 libbpf1=1:1.1.2-0+deb12u1 linux-libc-dev=6.1.192-3
program() { # NAME EXPRESSION
  cat >"$tmp/$1.c" <<C
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct task_struct { int pid; } __attribute__((preserve_access_index));
struct own_of_the_program { long before; struct task_struct *task; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct own_of_the_program); } kept SEC(".maps");
char LICENSE[] SEC("license") = "GPL";
int pid;
SEC("raw_tp/sys_enter") int run(void *ctx)
{
	int zero = 0;
	struct own_of_the_program *own = bpf_map_lookup_elem(&kept, &zero);
	if (!own)
		return 0;
	struct task_struct *task = own->task;
	pid = BPF_CORE_READ($2, pid);
	return !task;
}
C
  clang -target bpf -g -O2 -I"$root/usr/include" -I"$root/usr/include/x86_64-linux-gnu" -c "$tmp/$1.c" -o "$tmp/$1.o" ||
    untried "no clang for BPF"
}
program variable task
program member 'own->task'
out=$(vm "$root/usr/sbin/bpftool" "$tmp/variable.o" "$tmp/member.o" <<'GUEST'
mount -t bpf bpf /sys/fs/bpf
for object in variable member; do
  bpftool prog load /bin/$object.o /sys/fs/bpf/$object 2>$object && echo $object: loads
  grep -o 'failed to resolve CO-RE relocation .*' $object | sed "s/^/$object: /"
done
GUEST
)
expect 'loads of BPF_CORE_READ() of a variable, and of a member' \
  'variable: loads member: failed to resolve CO-RE relocation <byte_off> \[[0-9]+\] struct own_of_the_program\.task .*' "$out"
