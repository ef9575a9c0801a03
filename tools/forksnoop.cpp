// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "forksnoop.h"
#include "tools.h"

#include "forksnoop.skel.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

using namespace needle;
using Bpf = Skeleton<forksnoop_bpf>;

namespace needle {

// include/uapi/linux/sched.h
struct CloneFlags : Flags<ev_clone, CloneFlags, 24> {
  static bool none(ev_clone f) { return f == ev_clone{}; }
  static bool unknown(ev_clone f) { return static_cast<std::uint64_t>(f) == EV_NONE64; }
  static constexpr Flag names[] = {{0x80, "CLONE_NEWTIME"},
                                   {0x100, "CLONE_VM"},
                                   {0x200, "CLONE_FS"},
                                   {0x400, "CLONE_FILES"},
                                   {0x800, "CLONE_SIGHAND"},
                                   {0x1000, "CLONE_PIDFD"},
                                   {0x2000, "CLONE_PTRACE"},
                                   {0x4000, "CLONE_VFORK"},
                                   {0x8000, "CLONE_PARENT"},
                                   {0x10000, "CLONE_THREAD"},
                                   {0x20000, "CLONE_NEWNS"},
                                   {0x40000, "CLONE_SYSVSEM"},
                                   {0x80000, "CLONE_SETTLS"},
                                   {0x100000, "CLONE_PARENT_SETTID"},
                                   {0x200000, "CLONE_CHILD_CLEARTID"},
                                   {0x400000, "CLONE_DETACHED"},
                                   {0x800000, "CLONE_UNTRACED"},
                                   {0x1000000, "CLONE_CHILD_SETTID"},
                                   {0x2000000, "CLONE_NEWCGROUP"},
                                   {0x4000000, "CLONE_NEWUTS"},
                                   {0x8000000, "CLONE_NEWIPC"},
                                   {0x10000000, "CLONE_NEWUSER"},
                                   {0x20000000, "CLONE_NEWPID"},
                                   {0x40000000, "CLONE_NEWNET"},
                                   {0x80000000, "CLONE_IO"},
                                   {0x100000000, "CLONE_CLEAR_SIGHAND"},
                                   {0x200000000, "CLONE_INTO_CGROUP"}};
};
template <> struct Format<ev_clone> : CloneFlags {};

// As /proc/PID/ns has them.
struct NewNamespaces : Flags<ev_clone, NewNamespaces, 12, ','> {
  static constexpr Flag names[] = {{0x20000, "mnt"},   {0x20000000, "pid"}, {0x10000000, "user"},  {0x40000000, "net"},
                                   {0x4000000, "uts"}, {0x8000000, "ipc"},  {0x2000000, "cgroup"}, {0x80, "time"}};
  static std::uint64_t all(ev_clone f) {
    std::uint64_t known = 0;
    for (const Flag& flag : names) known |= flag.bits;
    return unknown(f) ? 0 : static_cast<std::uint64_t>(f) & known;
  }
  static bool none(ev_clone f) { return all(f) == 0 && !unknown(f); }
  static bool unknown(ev_clone f) { return static_cast<std::uint64_t>(f) == EV_NONE64; }
  static void put(Buffer& out, ev_clone f) { put_flags(out, all(f), names, ','); }
};

template <> struct Format<ev_birth> : Word<ev_birth, Format<ev_birth>, 8> {
  static bool unknown(ev_birth b) { return static_cast<unsigned>(b) > BIRTH_IO_URING; }
  static void put(Buffer& out, ev_birth b) {
    constexpr std::string_view kWords[] = {"process", "thread", "kernel", "io_uring"};
    out += kWords[static_cast<unsigned>(b)];
  }
};

// 0: none.
struct ExitSignal : Format<ev_signal> {
  static bool none(ev_signal s) { return s == ev_signal{}; }
  static void text(Buffer& out, ev_signal s, Blanks) {
    if (none(s)) out.push_back('-');
    else put(out, s);
  }
  static void json(Buffer& out, std::string_view key, ev_signal s) {
    if (none(s)) put_null(out, key);
    else Format<ev_signal>::json(out, key, s);
  }
};

}  // namespace needle

static constexpr auto columns =
    header_columns<fork_event> + context_columns +
    std::array{
        column<&fork_event::child>("child", "id of the process, or of the thread, that is born"),
        hidden(column<&fork_event::child_nspid>("child_nspid", "its id in its own pid namespace: 1 is the first there")),
        hidden(column<&fork_event::child_start>(
            "child_start", "when it started, in microseconds of the kernel's clock: with child, its identity")),
        hidden(column<&fork_event::kind>("kind", "process, thread, kernel (a thread of it) or io_uring (a worker of it)")),
        hidden(column<&fork_event::parent>("parent", "process whose child it is: by CLONE_PARENT not the one that made it")),
        hidden(column_as<ExitSignal, &fork_event::exit_signal>("exit_signal", "what it sends the parent when it ends")),
        hidden(column_as<NewNamespaces, &fork_event::flags>("namespaces", "new ones that it gets, as in /proc/PID/ns")),
        column<&fork_event::err>("err", "why it failed"),
        column<&fork_event::flags>("flags", "what it shares, and what it gets anew"),
    };

static constexpr Phrase what[] = {{"", named("kind", columns)}, {" ", named("child", columns)}, {" ", named("flags", columns)}};

static constexpr Option options[] = {
    Bpf::flag<&Bpf::Constants::threads>("--threads", "threads of processes, too"),
    Bpf::flag<&Bpf::Constants::workers>("--workers", "threads of the kernel, and workers of io_uring, too"),
};

static void make_thread(Object&) {
  std::thread([] {}).join();
}
// Neither may be: to share handlers of signals, but not the memory that they are in.
static void clone_nothing(Object&) {
  syscall(SYS_clone, CLONE_SIGHAND, nullptr, nullptr, nullptr, nullptr);
  syscall(SYS_clone3, nullptr, 0);
}
static constexpr Trial trials[] = {{"fork", make_thread}, {"fail", clone_nothing}};

constexpr Tool needle::forksnoop =
    make_tool<forksnoop_bpf, fork_event>("forksnoop", "fork", "Trace processes and threads as they are born.",
                                         "forksnoop --summary -o comm\twho starts so many processes?\n"
                                         "forksnoop -x\tforks that fail: EAGAIN is a limit\n"
                                         "forksnoop -o +namespaces,+child_nspid\tand with which new namespaces\n"
                                         "forksnoop --threads -p 4711\tthe threads that a process makes\n",
                                         columns, {what, false}, options, trials);
