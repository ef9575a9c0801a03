# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# JSON lines of the tools as documents of the Elastic Common Schema, for Elasticsearch and OpenSearch:
#   opensnoop -j | jq -c --unbuffered -f ecs.jq
# What ECS has no field for is below "needle", by the names of needle(7). Names and types: github.com/elastic/ecs,
# generated/csv/fields.csv.

def text: if . == null then null else tostring end;
def pruned: walk(if type == "object" then with_entries(select(.value != null and .value != {})) else . end);
# What has a field of its own.
def mapped: ["time", "event", "host", "pid", "tid", "comm", "thread", "start", "started", "ppid", "pcomm", "pexe", "uid", "user",
  "euid", "gid", "exe", "args", "argc", "cwd", "session", "container", "container_name", "image", "runtime", "pod", "namespace",
  "errno", "error", "path", "inode", "perm", "new", "owner", "group", "laddr", "lport", "raddr", "rport", "proto", "exit"];
# What tells of the stream itself.
def is_of_stream: .event | IN("start", "end", "lost", "skipped", "replaced");
def is_ip: type == "string" and test("^[0-9a-fA-F:.]+(%.*)?$") and test("[.:]");

. as $e
| {
    "@timestamp": .time,
    ecs: {version: "8.17.0"},
    host: {name: .host, hostname: .host},
    event: {
      module: "needle",
      dataset: ("needle." + .event),
      action: .event,
      kind: ({start: "state", end: "state", lost: "pipeline_error", skipped: "pipeline_error", replaced: "pipeline_error"}[.event]
        // "event"),
      category: (if is_of_stream then null else {open: ["file"], chmod: ["file"], connect: ["network"]}[.event] // ["process"] end),
      type: (if is_of_stream then null else
        {open: ["access"], chmod: ["change"], exec: ["start"], fork: ["start"], exit: ["end"], cred: ["change"],
         connect: ["connection", "start"]}[.event] // ["info"] end),
      outcome: (if has("errno") | not then null elif .errno == null then "unknown" elif .errno == 0 then "success" else "failure" end)
    }
  }
+ if is_of_stream then
    {needle: del(.time, .event, .host)}
  else {
    process: {
      pid: .pid, name: .comm, executable: .exe, args: .args, args_count: .argc, working_directory: .cwd, start: .started,
      thread: {id: .tid, name: .thread}, exit_code: .exit, end: (if .event == "exit" then .time else null end),
      parent: {pid: .ppid, name: .pcomm, executable: .pexe},
      session_leader: {pid: .session},
      user: {id: (.euid | text)}, real_user: {id: (.uid | text), name: .user}, group: {id: (.gid | text)}
    },
    user: {id: (.uid | text), name: .user},
    container: {id: .container, name: .container_name, runtime: .runtime, image: {name: .image}},
    orchestrator: (if .pod then {type: "kubernetes", namespace: .namespace, resource: {name: .pod}} else null end),
    error: {code: .error},
    needle: (with_entries(select(.key as $k | mapped | index($k) | not)) + {start: .start})
  } + (
    if .event == "open" or .event == "chmod" then {
      file: {
        path: .path, inode: .inode, mode: (.new // .perm), uid: (.owner | text), gid: (.group | text),
        type: ({directory: "dir"}[.type // ""] // .type)
      }
    }
    elif .event == "connect" then {
      network: {transport: (.proto | if . == "mptcp" then "tcp" else . end)},
      source: {address: .laddr, ip: (.laddr | if is_ip then sub("%.*"; "") else null end), port: .lport},
      destination: {address: .raddr, ip: (.raddr | if is_ip then sub("%.*"; "") else null end), port: .rport}
    }
    else {} end)
  end
| pruned
