#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  in the tracepoint inet_sock_set_state, the current process of a connection that a server accepts is the server.
# So is:  the accepted socket is made while the packets of the handshake are delivered, before the server calls accept(2): current
#         is whoever is on that CPU. On the loopback device this is the client or ksoftirqd; the server never.
source "$(dirname "$0")/lib.sh"
out=$(vm <<'GUEST'
ln -s busybox /bin/busybox-server; ln -s busybox /bin/busybox-client  # so that each has a name of its own
trace sock:inet_sock_set_state
busybox-server nc -l -p 4242 & sleep 2
busybox-client nc 127.0.0.1 4242 </dev/null; wait
traced | sed -nE 's/^ *(.*)-[0-9]+ +\[.*sport=4242 .*oldstate=TCP_(LISTEN|SYN_RECV) newstate=TCP_(SYN_RECV|ESTABLISHED)/\2 to \3 by \1/p'
GUEST
)
expect "the server's socket" 'LISTEN to SYN_RECV by (busybox-client|ksoftirqd/[01]) SYN_RECV to ESTABLISHED by (busybox-client|ksoftirqd/[01])' "$out"
