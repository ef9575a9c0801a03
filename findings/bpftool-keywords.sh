#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bpftool 7.1.0, libbpf 1.1.2 (Debian 12).
# Guess:  a skeleton that `bpftool gen skeleton` makes, with its part for C++ (#ifdef __cplusplus), is C++ as well as C.
# So is:  maps, programs and variables keep names that are words of C++ (new, delete, class), and such a header is C only. No
#         warning: bpftool succeeds, and libbpf and the kernel take the names.
source "$(dirname "$0")/lib.sh"
unpack bpftool=7.1.0+6.1.192-3 libbpf-dev=1:1.1.2-0+deb12u1 libbpf1=1:1.1.2-0+deb12u1 linux-libc-dev=6.1.192-3
make_skeleton() { # NAME OF THE MAP
  printf '%s\n' '#include <linux/bpf.h>' '#include <bpf/bpf_helpers.h>' "struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);" \
    "__type(key, int); __type(value, int); } $1 SEC(\".maps\");" >"$tmp/x.bpf.c"
  clang -target bpf -g -O2 -I"$root/usr/include" -I"$root/usr/include/x86_64-linux-gnu" -c "$tmp/x.bpf.c" -o "$tmp/x.o" ||
    untried "no clang for BPF"
  bpftool gen skeleton "$tmp/x.o" name x >"$tmp/x.skel.h" || untried "no skeleton"
}
compiles() { "$@" -I"$root/usr/include" -fsyntax-only -include "$tmp/x.skel.h" - </dev/null 2>"$tmp/errors" && echo yes || echo no; }
for map in fresh new; do
  make_skeleton "$map"
  expect "C, map named $map" yes "$(compiles cc -x c)"
  expect "C++, map named $map" "$([ $map = new ] && echo no || echo yes)" "$(compiles c++ -x c++)"
done
