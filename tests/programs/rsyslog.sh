# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# share/rsyslog.conf, in a real rsyslogd: what a tool writes arrives at another host as it was, also across rotation.
needs=(jq python3 rsyslogd)
source "$(dirname "$0")/common.sh"

python3 - "$work" <<'END' &
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
open(sys.argv[1] + "/port.new", "w").write(str(s.getsockname()[1]))
__import__("os").rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
with open(sys.argv[1] + "/received", "wb", 0) as out:
    while True:
        c = s.accept()[0]
        while data := c.recv(65536): out.write(data)
END
check eventually test -s "$work/port"
mkdir "$work/log"
{ echo "global(workDirectory=\"$work\")"
  sed "s|/var/log/needle|$work/log|; s|logs.example.org|127.0.0.1|; s|port=\"514\"|port=\"$(cat "$work/port")\"|" "$share/rsyslog.conf"
} >"$work/conf"
check rsyslogd -N1 -f "$work/conf" 2>"$work/said"
rsyslogd -n -f "$work/conf" -i "$work/pid" &
check eventually test -s "$work/pid"
opensnoop -j -o event,pid,path,err --path "$work/none" --output "$work/log/a.json" -- \
  bash -c "for i in {1..200}; do : <'$work/none\$i'; done; true" 2>/dev/null
wanted=$(jq -cS . "$work/log/a.json")
check equal lines "$(wc -l <<<"$wanted")" 202
arrived() { [[ $(wc -l <"$work/received") -ge 202 ]]; }
check eventually arrived
check equal received "$(jq -cS . "$work/received")" "$wanted"
finish
