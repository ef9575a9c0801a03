#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libbpf-tools 0.26.0 (Debian 12), on Linux 6.1.192.
# Guess:  tcpstates shows the addresses of each connection.
# So is:  an IPv6 address whose text does not fit its buffer is replaced, without a word, by what the buffer held: the address
#         on the line before, which is another connection's.
source "$(dirname "$0")/lib.sh"
unpack libbpf-tools=0.26.0+ds-1
open="CLOSE SYN_SENT" shut="SYN_SENT CLOSE"
out=$(vm "$root/usr/sbin/tcpstates" <<'GUEST'
long=fd00:1111:2222:3333:4444:5555:6666:7777
ip addr add fd00::7/128 dev lo; ip addr add $long/128 dev lo; sleep 3
tcpstates -w >log & tracer=$!; sleep 5
nc fd00::7 4242 2>/dev/null; nc $long 4243 2>/dev/null  # nobody listens: refused
sleep 2; kill -INT $tracer; wait $tracer
awk '/SYN_SENT/ { print $5, $6, $7, $8, $9, $11 }' log
GUEST
)
expect "connect to fd00::7 4242, then to fd00:1111:2222:3333:4444:5555:6666:7777 4243" \
  "fd00::7 0 fd00::7 4242 $open fd00::7 [0-9]+ fd00::7 4242 $shut fd00::7 0 fd00::7 4243 $open fd00::7 [0-9]+ fd00::7 4243 $shut" "$out"
