// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "chmodsnoop.h"
#include "tools.h"

#include "chmodsnoop.skel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace needle;
using Bpf = Skeleton<chmodsnoop_bpf>;

namespace needle {

// In text, a word that may not be so has a ? behind it. In JSON the marks are a key of their own, KEY_unsure.
template <> struct Format<ev_risk> {
  static constexpr int width = 14;
  static constexpr Align align = Align::left;
  static constexpr Flag names[] = {{04000, "setuid"}, {02000, "setgid"}, {00002, "world-writable"}};
  static constexpr Flag unsure[] = {{04000, "setuid?"}, {02000, "setgid?"}, {00002, "world-writable?"}};
  static unsigned bits(ev_risk r) { return static_cast<unsigned>(r) & ~RISK_UNSURE; }
  static bool is_unsure(ev_risk r) { return (static_cast<unsigned>(r) & RISK_UNSURE) != 0; }
  static void text(Buffer& out, ev_risk r, Blanks) {
    if (bits(r) == 0) out.push_back('-');
    else put_flags(out, bits(r), is_unsure(r) ? std::span(unsure) : std::span(names), ',');
  }
  static void json(Buffer& out, std::string_view key, ev_risk r) {
    put_key(out, key);
    if (bits(r) == 0) {
      out += "null";
      return;
    }
    out.push_back('"');
    put_flags(out, bits(r), names, ',');
    out.push_back('"');
    if (!is_unsure(r)) return;
    out += ",\"";
    out += key;
    out += "_unsure\":true";
  }
};
template <> struct Format<ev_atflags> : Flags<ev_atflags, Format<ev_atflags>, 8> {
  static constexpr Flag names[] = {{AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}, {AT_EMPTY_PATH, "AT_EMPTY_PATH"}};
};

template <> inline constexpr auto gathered<chmod_event> = std::tuple{Gathered<WANT_REQUESTED, &chmod_event::requested>{}};

}  // namespace needle

static constexpr auto columns =
    without("uid", header_columns<chmod_event>) + context_columns +
    std::array{
        column<&chmod_event::h, &event_header::uid>("uid", "real user id of the process"),
        column<&chmod_event::before>("old", "mode before; ? where the hook cannot know, - of a new file"),
        column<&chmod_event::after>("new", "mode after; of a failure the one asked for"),
        column<&chmod_event::err>("err", "why it failed"),
        hidden(column<&chmod_event::mode>("mode", "mode asked for")),
        hidden(column<&chmod_event::risk>("risk", "dangerous bits gained: setuid, setgid, world-writable")),
        hidden(column<&chmod_event::flags>("flags", "fchmodat2's flags")),
        hidden(column<&chmod_event::created>("created", "whether the file is new")),
        file_columns::deleted<chmod_event>,
        file_columns::type<chmod_event>,
        file_columns::owner<chmod_event>,
        file_columns::group<chmod_event>,
        file_columns::dev<chmod_event>,
        file_columns::inode<chmod_event>,
        file_columns::requested<chmod_event>,
        file_columns::path<chmod_event>,
    };

static constexpr Phrase what[] = {{"", named("old", columns)}, {"->", named("new", columns)}, {" ", named("path", columns)}};

static constexpr Option options[] = {
    Bpf::path_prefix(),
    Bpf::file(),
    Bpf::exclude_path(),
    Bpf::flag<&Bpf::Constants::only_risky>("--risky", "only files that gained setuid, setgid or world-writable"),
};

static void chmod_pipe(Object&) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return;
  fchmod(fds[0], 0600);
  close(fds[0]), close(fds[1]);
#ifdef SYS_chmod
  syscall(SYS_chmod, "", 0);  // there is no file without a name
#endif
  syscall(SYS_fchmodat, AT_FDCWD, "", 0);
}
static void open_root(Object&) { close(open("/", O_PATH | O_CLOEXEC)); }
static void make_root(Object&) {  // it exists
  mkdir("/", 0755);
  mknod("/", S_IFREG | 0644, 0);
}
static constexpr Trial trials[] = {
    {"mode", chmod_pipe}, {"mode__fentry_opt_node", make_root}, {"mode__fentry_opt_open", open_root}};

constexpr Tool needle::chmodsnoop = make_tool<chmodsnoop_bpf, chmod_event>(
    "chmodsnoop", "chmod", "Trace changes of file modes, and files created with dangerous ones.",
    "chmodsnoop --risky\twho makes files setuid, setgid or world-writable\n"
    "chmodsnoop --path /etc/\tmodes of /etc\n"
    "chmodsnoop -o +risk,+via -x\tfailed ones, and how they were asked for\n"
    "chmodsnoop -j -d 10 | jq -r .path\tall files of ten seconds\n",
    columns, {what}, options, trials);
