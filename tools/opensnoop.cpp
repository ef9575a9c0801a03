// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "opensnoop.h"
#include "tools.h"

#include "opensnoop.skel.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

using namespace needle;
using Bpf = Skeleton<opensnoop_bpf>;

namespace needle {
template <> struct Format<ev_resolve> : Flags<ev_resolve, Format<ev_resolve>, 8> {
  static constexpr Flag names[] = {{RESOLVE_NO_XDEV, "NO_XDEV"},         {RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"},
                                   {RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"}, {RESOLVE_BENEATH, "BENEATH"},
                                   {RESOLVE_IN_ROOT, "IN_ROOT"},         {RESOLVE_CACHED, "CACHED"}};
};

// What it was opened for, in a word.
struct OpenedFor : Word<ev_oflags, OpenedFor, 5> {
  static void put(Buffer& out, ev_oflags f) {
    const unsigned flags = static_cast<unsigned>(f), access = flags & O_ACCMODE;
    out += flags & O_PATH ? "path" : access == O_RDONLY ? "read" : access == O_WRONLY ? "write" : "read+write";
  }
};

template <> inline constexpr auto gathered<open_event> = std::tuple{
    Gathered<WANT_REQUESTED, &open_event::requested>{},
    Gathered<WANT_INODE, &open_event::type, &open_event::perm, &open_event::owner, &open_event::group, &open_event::created,
             &open_event::deleted, &open_event::dev, &open_event::ino>{},
};
}  // namespace needle

static constexpr auto columns = header_columns<open_event> + context_columns +
                                std::array{
                                    column<&open_event::fd>("fd", "the new descriptor"),
                                    column<&open_event::err>("err", "why it failed"),
                                    hidden(column<&open_event::flags>("flags", "how it was to be opened")),
                                    hidden(column<&open_event::resolve>("resolve", "openat2's limits on the look-up")),
                                    hidden(column<&open_event::mode>("mode", "mode asked for, where a file could be created")),
                                    file_columns::type<open_event>,
                                    file_columns::perm<open_event>,
                                    file_columns::owner<open_event>,
                                    file_columns::group<open_event>,
                                    hidden(column<&open_event::created>("created", "whether this open created it")),
                                    file_columns::deleted<open_event>,
                                    file_columns::dev<open_event>,
                                    file_columns::inode<open_event>,
                                    file_columns::requested<open_event>,
                                    file_columns::path<open_event>,
                                };

// -f takes the names that the flags column prints.
static Setting want_flag(std::string_view name, std::vector<std::string>&) {
  const auto flag = oflag_value(name);
  if (!flag) throw BadUsage("-f: no open flag '" + std::string(name) + "'; give one of open(2), such as O_CREAT");
  const unsigned own = *flag & ~unsigned{O_DIRECTORY | O_DSYNC};  // which O_TMPFILE and O_SYNC include
  return [flag = *flag, own](Object& o, MapEntries&) {
    if (flag <= O_ACCMODE) Bpf::constants(o).access_any |= 1u << flag;
    else Bpf::constants(o).flags_any |= own ? own : flag;
  };
}

static constexpr Option options[] = {
    Bpf::path_prefix(),
    Bpf::file(),
    Bpf::exclude_path(),
    Bpf::flag<&Bpf::Constants::only_writes>("-w,--write", "only opens for writing"),
    {"-f,--flag", "FLAG", "only opens with this flag, such as O_CREAT (repeatable: with any)", want_flag, oflag_names},
};

static constexpr Phrase what[] = {{"", column_as<OpenedFor, &open_event::flags>("flags", "")}, {" ", named("path", columns)}};

static constexpr Trial trials[] = {{"open", [](Object&) { close(open("/", O_PATH | O_CLOEXEC)); }}};

constexpr Tool needle::opensnoop =
    make_tool<opensnoop_bpf, open_event>("opensnoop", "open", "Trace files as they are opened, however they are named.",
                                         "opensnoop --file /etc/shadow\twho opens it, by whatever name\n"
                                         "opensnoop -x -n sshd\tfailed opens of sshd\n"
                                         "opensnoop -w --path /usr/\twho opens system files for writing\n"
                                         "opensnoop -j -d 10 | jq -r .path\tall paths of ten seconds\n",
                                         columns, {what, true, "-w,--write"}, options, trials);
