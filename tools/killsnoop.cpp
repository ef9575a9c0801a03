// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "killsnoop.h"
#include "print/target.h"
#include "tools.h"

#include "killsnoop.skel.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace needle;
using Bpf = Skeleton<killsnoop_bpf>;

namespace needle {

struct SignalNumber : Integer<ev_signal, 6> {};

// By siginfo.h: above 0 it depends on the signal.
template <> struct Format<ev_code> {
  static constexpr int width = 13;
  static constexpr Align align = Align::left;
  static std::string_view name(ev_code c) {
    constexpr struct {
      int of, code;
      std::string_view name;
    } kNames[] = {
        {0, SI_USER, "SI_USER"},
        {0, SI_QUEUE, "SI_QUEUE"},
        {0, SI_TIMER, "SI_TIMER"},
        {0, SI_MESGQ, "SI_MESGQ"},
        {0, SI_ASYNCIO, "SI_ASYNCIO"},
        {0, SI_SIGIO, "SI_SIGIO"},
        {0, SI_TKILL, "SI_TKILL"},
        {0, SI_KERNEL, "SI_KERNEL"},
        {SIGCHLD, CLD_EXITED, "CLD_EXITED"},
        {SIGCHLD, CLD_KILLED, "CLD_KILLED"},
        {SIGCHLD, CLD_DUMPED, "CLD_DUMPED"},
        {SIGCHLD, CLD_TRAPPED, "CLD_TRAPPED"},
        {SIGCHLD, CLD_STOPPED, "CLD_STOPPED"},
        {SIGCHLD, CLD_CONTINUED, "CLD_CONTINUED"},
        {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
        {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
        {SIGSEGV, SEGV_BNDERR, "SEGV_BNDERR"},
        {SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR"},
        {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
        {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
        {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
        {SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR"},
        {SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO"},
        {SIGILL, ILL_ILLOPC, "ILL_ILLOPC"},
        {SIGILL, ILL_ILLOPN, "ILL_ILLOPN"},
        {SIGILL, ILL_ILLADR, "ILL_ILLADR"},
        {SIGILL, ILL_PRVOPC, "ILL_PRVOPC"},
        {SIGFPE, FPE_INTDIV, "FPE_INTDIV"},
        {SIGFPE, FPE_INTOVF, "FPE_INTOVF"},
        {SIGFPE, FPE_FLTDIV, "FPE_FLTDIV"},
        {SIGFPE, FPE_FLTINV, "FPE_FLTINV"},
        {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT"},
        {SIGTRAP, TRAP_TRACE, "TRAP_TRACE"},
        {SIGTRAP, TRAP_HWBKPT, "TRAP_HWBKPT"},
        {SIGPOLL, POLL_IN, "POLL_IN"},
        {SIGPOLL, POLL_OUT, "POLL_OUT"},
        {SIGPOLL, POLL_HUP, "POLL_HUP"},
        {SIGSYS, 1, "SYS_SECCOMP"},
    };
    for (const auto& n : kNames)
      if (n.code == c.code && (n.of == 0 || n.of == static_cast<int>(c.of))) return n.name;
    return {};
  }
  static void put(Buffer& out, ev_code c) {
    if (const std::string_view known = name(c); !known.empty()) out += known;
    else put_decimal(out, std::int64_t{c.code});
  }
  static void text(Buffer& out, ev_code c, Blanks) { put(out, c); }
  static void json(Buffer& out, std::string_view key, ev_code c) {
    put_key(out, key);
    out.push_back('"'), put(out, c), out.push_back('"');
  }
};

// What has become of it: a word, or the error.
template <> struct Format<ev_result> : Word<ev_result, Format<ev_result>, 9> {
  static void put(Buffer& out, ev_result r) {
    constexpr std::string_view kWords[] = {"delivered", "pending", "ignored", "dead", "possible"};
    if (r.err != ev_errno{}) put_errno(out, static_cast<int>(r.err));
    else if (const auto i = static_cast<unsigned>(r.outcome); i < std::size(kWords)) out += kWords[i];
    else out += "?";
  }
};

}  // namespace needle

static constexpr auto columns =
    header_columns<kill_event> + context_columns +
    std::array{
        column<&kill_event::sig>("sig", "the signal"),
        hidden(column_as<SignalNumber, &kill_event::sig>("signo", "its number")),
        hidden(column<&kill_event::code>("code", "how it came about, as a handler would see it: SI_USER, SEGV_MAPERR")),
        hidden(column<&kill_event::requested>("requested", "of what is refused: whom the call named, in its own pid namespace")),
    } +
    target_columns<&kill_event::target> +
    std::array{
        hidden(column<&kill_event::result, &ev_result::err>("err", "why it was refused")),
        column<&kill_event::result>("result", "delivered, pending, ignored, dead, possible (signal 0), or why it was refused"),
    };

static constexpr Phrase what[] = {{"", named("sig", columns)},
                                  {" to ", named("tcomm", columns)},
                                  {" ", named("tpid", columns)},
                                  {": ", named("result", columns)}};

static Setting want_signals(std::string_view list, std::vector<std::string>&) {
  __u64 wanted = 0;
  bool probes = false;
  for (std::size_t end = 0; end != list.npos; list.remove_prefix(end == list.npos ? 0 : end + 1)) {
    end = list.find(',');
    const std::string_view name = list.substr(0, end);
    const auto n = signal_value(name);
    if (!n)
      throw BadUsage("--signal: there is no signal '" + std::string(name) + "'; give names or numbers, such as TERM,KILL,9");
    if (*n == 0) probes = true;
    else wanted |= 1ull << (*n - 1);
  }
  return [wanted, probes](Object& o, MapEntries&) {
    auto& c = Bpf::constants(o);
    c.only_signals = (c.signals_given ? c.only_signals : 0) | wanted;
    c.signals_given = true;
    c.probes |= probes;
  };
}

static constexpr Option options[] = {
    {"-s,--signal", "LIST", "only these signals, such as TERM,KILL; 0: those that only ask whether one could be sent",
     want_signals, signal_names},
    Bpf::flag<&Bpf::Constants::no_kernel>("--no-kernel", "not what no process sends, such as the end of a child, or a fault"),
};

static void send_ignored(Object&) { kill(getpid(), SIGURG); }
// None is sent: there is no such signal, or no such descriptor.
static void send_none(Object&) {
  constexpr int kNone = 65;
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  syscall(SYS_kill, getpid(), kNone);
  syscall(SYS_tkill, getpid(), kNone);
  syscall(SYS_tgkill, getpid(), getpid(), kNone);
  syscall(SYS_rt_sigqueueinfo, getpid(), kNone, &info);
  syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), kNone, &info);
  syscall(SYS_pidfd_send_signal, -1, SIGURG, nullptr, 0);
}
static constexpr Trial trials[] = {{"sent", send_ignored}, {"refused", send_none}};

constexpr Tool needle::killsnoop =
    make_tool<killsnoop_bpf, kill_event>("killsnoop", "kill", "Trace signals as they are sent, and what becomes of them.",
                                         "killsnoop --target 1234\twho sends it signals?\n"
                                         "killsnoop -s KILL,TERM -T\twhat ends processes here, and when\n"
                                         "killsnoop -x\tsignals that were refused\n"
                                         "killsnoop -s SEGV,BUS,ABRT -o +code,+texe\tprograms that crash\n",
                                         columns, {what, true, "--no-kernel"}, options, trials);
