// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "execsnoop.h"
#include "tools.h"

#include "execsnoop.skel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace needle;
using Bpf = Skeleton<execsnoop_bpf>;

namespace needle {
// In text " (deleted)" follows a program whose name has been removed. A name that ends so
// itself has its bracket escaped.
template <> struct Format<ev_exe> : Format<ev_str> {
  static constexpr std::string_view kDeleted = "(deleted)";
  static void text(Buffer& out, const ev_exe& exe, const Record& r, Blanks b) {
    Format<ev_str>::text(out, exe.path, r, b);
    if (out.ends_with(kDeleted) && r.str(exe.path).ends_with(" (deleted)")) out.replace(out.size() - kDeleted.size(), 1, "\\x28");
    if (static_cast<unsigned>(exe.deleted) != 1) return;
    out += b == Blanks::single ? " " : "\\x20";
    out += kDeleted;
  }
  static void json(Buffer& out, std::string_view key, const ev_exe& exe, const Record& r) {
    Format<ev_str>::json(out, key, exe.path, r);
  }
};

template <> struct Format<ev_stdin> : Word<ev_stdin, Format<ev_stdin>, 9> {
  static bool none(ev_stdin s) { return static_cast<unsigned>(s) == EV_NONE; }
  static void put(Buffer& out, ev_stdin s) {
    out += static_cast<unsigned>(s) == STDIN_TTY ? "tty" : ftype_name(static_cast<unsigned>(s));
  }
};

// The arguments, without the first one where that is the program's name, as it mostly is.
struct ArgumentsOf {
  static constexpr int width = 24;
  static constexpr Align align = Align::left;
  static std::string_view name(std::string_view path) { return path.substr(path.rfind('/') + 1); }
  static void text(Buffer& out, const ev_strv& args, const Record& r, Blanks b) {
    const std::string_view all = r.str(args.s), first = all.substr(0, all.find('\0'));
    ev_strv rest = args;
    if (first.size() < all.size() && name(first) == name(r.str(r.as<exec_event>().exe.path))) {
      rest.s.off = static_cast<__u16>(rest.s.off + first.size() + 1);
      rest.s.len = static_cast<__u16>(rest.s.len - first.size() - 1);
      if (static_cast<unsigned>(rest.count) < EV_UNKNOWN) rest.count = ev_argc{static_cast<unsigned>(rest.count) - 1};
      if (rest.s.len == 0 && rest.s.mark == 0) return out.push_back('-');
    }
    Format<ev_strv>::text(out, rest, r, b);
  }
  static void json(Buffer& out, std::string_view key, const ev_strv& args, const Record& r) {
    Format<ev_strv>::json(out, key, args, r);
  }
};

template <> inline constexpr auto gathered<exec_event> = std::tuple{
    Gathered<WANT_NAMES, &exec_event::requested, &exec_event::script, &exec_event::interpreter>{},
    Gathered<WANT_CREDS, &exec_event::egid, &exec_event::caps>{},
    Gathered<WANT_INODE, &exec_event::setuid, &exec_event::setgid, &exec_event::upper, &exec_event::dev, &exec_event::ino,
             &exec_event::perm, &exec_event::owner, &exec_event::group, &exec_event::mtime, &exec_event::ctime>{},
    Gathered<WANT_STDIN, &exec_event::input>{},
};
}  // namespace needle

// An exec is rare: what costs little goes into JSON unasked. The program is its own business.
static constexpr auto context = [] {
  auto all = without("args", without("exe", context_columns));
  for (const char* name : {"session", "login_uid", "audit_session", "tty", "cwd"})
    std::ranges::find(all, name, &Column::name)->extra = false;
  return all;
}();

static constexpr auto columns =
    shown_last(header_columns<exec_event>, "ppid") + context +
    std::array{
        column<&exec_event::err>("err", "why it failed"),
        hidden(column<&exec_event::requested>("requested",
                                              "the name as the caller gave it; of execveat's descriptor, "
                                              "/dev/fd/N")),
        hidden(column<&exec_event::script>("script", "what the interpreter runs: requested, made absolute")),
        hidden(column<&exec_event::interpreter>("interpreter", "the name in a script's first line, or of binfmt_misc")),
        hidden(column<&exec_event::old_comm>("old_comm", "name of the thread that called exec")),
        hidden(column<&exec_event::old_tid>("old_tid", "its thread id; it goes on as the leader")),
        hidden(column<&exec_event::old_uid>("old_uid", "real user id before")),
        hidden(column<&exec_event::old_euid>("old_euid", "effective user id before")),
        hidden(column<&exec_event::old_gid>("old_gid", "real group id before")),
        hidden(column<&exec_event::old_egid>("old_egid", "effective group id before")),
        hidden(column<&exec_event::egid>("egid", "effective group id")),
        hidden(column<&exec_event::old_caps>("old_caps", "effective capabilities before")),
        hidden(column<&exec_event::caps>("caps", "effective capabilities")),
        hidden(column<&exec_event::setuid>("setuid", "whether the file is setuid")),
        hidden(column<&exec_event::setgid>("setgid", "whether the file is setgid")),
        hidden(column<&exec_event::exe, &ev_exe::memory>("memory", "whether the file is only in memory: a memfd, or on tmpfs")),
        hidden(column<&exec_event::exe, &ev_exe::deleted>("deleted", "whether the file's name has been removed")),
        hidden(column<&exec_event::upper>("upper", "whether it is in the upper layer of an overlay")),
        file_columns::dev<exec_event>,
        file_columns::inode<exec_event>,
        file_columns::perm<exec_event>,
        file_columns::owner<exec_event>,
        file_columns::group<exec_event>,
        hidden(column<&exec_event::mtime>("mtime", "when the file's content changed")),
        hidden(column<&exec_event::ctime>("ctime", "when the file or its inode changed")),
        hidden(column<&exec_event::input>("stdin", "kind of descriptor 0: a socket is a remote shell")),
        column<&exec_event::exe>("exe", "the file that runs: its full path from the root of the mount namespace"),
        hidden(column<&exec_event::args, &ev_strv::count>("argc", "number of arguments, also where they are cut")),
        column<&exec_event::args>("args", "the program's arguments, quoted for a shell"),
    };

static constexpr Phrase what[] = {{"", named("exe", columns)}, {" ", column_as<ArgumentsOf, &exec_event::args>("args", "")}};

static constexpr Option options[] = {Bpf::path_prefix(), Bpf::file(), Bpf::exclude_path()};

// A directory is no program.
static void exec_directory(Object&) {
  execl("/", "/", nullptr);
  const char* const argv[] = {"/", nullptr};
  syscall(SYS_execveat, AT_FDCWD, "/", argv, environ, 0);
}
static constexpr Trial trials[] = {{"fail", exec_directory}};

constexpr Tool needle::execsnoop =
    make_tool<execsnoop_bpf, exec_event>("execsnoop", "exec", "Trace programs as they are executed.",
                                         "execsnoop --path /tmp/\tprograms that run from /tmp\n"
                                         "execsnoop -x\tfailed execs\n"
                                         "execsnoop -o pid,stdin,exe,args\ta shell on a socket?\n"
                                         "execsnoop -j | jq -c 'select(.old_euid != .euid)'\tgained or dropped a user id\n",
                                         columns, {what}, options, trials);
