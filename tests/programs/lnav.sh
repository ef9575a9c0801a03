# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lnav takes share/needle.lnav.json, knows the tools' lines by it, and has their keys as columns of SQL.
needs=(lnav)
source "$(dirname "$0")/common.sh"

export HOME=$work XDG_CONFIG_HOME=$work/config TERM=xterm
mkdir "$work/config"
check lnav -i "$share/needle.lnav.json"
check test -e "$work/config/lnav/formats/installed/needle_log.json"
opensnoop -j --path "$work/" --output "$work/opens" -- bash -c ": <'$work/none'; : <'$work/none'; : >'$work/made'" 2>/dev/null
connectsnoop -j --port 9 --output "$work/connects" -- bash -c ': >/dev/tcp/127.0.0.1/9' 2>/dev/null || true
sql() { lnav -n -c ";$1" -c ':write-csv-to -' "$work/opens" "$work/connects"; }
check equal opens "$(sql "select coalesce(error, '-') as error, path, count(*) from needle_log where event = 'open' group by error, path order by path desc")" \
  "error,path,count(*)
ENOENT,$work/none,2
-,$work/made,1"
check equal connects "$(sql "select comm, error, raddr, rport from needle_log where event = 'connect'")" \
  $'comm,error,raddr,rport\nbash,ECONNREFUSED,127.0.0.1,9'
check equal levels "$(sql "select log_level, count(*) from needle_log where event = 'open' group by log_level order by count(*)")" \
  $'log_level,count(*)\ninfo,1\nerror,2'
check equal streams "$(sql "select event, tool from needle_log where event = 'start' order by tool")" $'event,tool\nstart,connectsnoop\nstart,opensnoop'
finish
