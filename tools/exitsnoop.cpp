// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exitsnoop.h"
#include "tools.h"

#include "exitsnoop.skel.h"

#include <unistd.h>

#include <thread>

using namespace needle;
using Bpf = Skeleton<exitsnoop_bpf>;

namespace needle {

// In text a code, or a signal, "SIGSEGV+core". In JSON the number that a shell has in $?, and "code", "signal", "core".
template <> struct Format<ev_exit> {
  static constexpr int width = 9;
  static constexpr Align align = Align::left;
  static int signal(ev_exit e) { return static_cast<int>(e) & 0x7f; }
  static bool core(ev_exit e) { return (static_cast<unsigned>(e) & 0x80) != 0; }
  static std::uint64_t code(ev_exit e) { return static_cast<unsigned>(e) >> 8 & 0xff; }
  static void text(Buffer& out, ev_exit e, Blanks) {
    if (signal(e) == 0) put_decimal(out, code(e));
    else put_signal(out, signal(e));
    if (core(e)) out += "+core";
  }
  static void json(Buffer& out, std::string_view key, ev_exit e) {
    put_key(out, key);
    put_decimal(out, signal(e) == 0 ? code(e) : std::uint64_t{128} + static_cast<unsigned>(signal(e)));
    out += ",\"code\":";
    if (signal(e) == 0) put_decimal(out, code(e));
    else out += "null";
    out += ",\"signal\":";
    if (signal(e) == 0) out += "null";
    else out.push_back('"'), put_signal(out, signal(e)), out.push_back('"');
    out += core(e) ? ",\"core\":true" : ",\"core\":false";
  }
};

// Seconds with three decimals, as a number in JSON too.
template <> struct Format<ev_age> {
  static constexpr int width = 10;
  static constexpr Align align = Align::right;
  static void put(Buffer& out, ev_age a) { Format<ev_duration>::put(out, ev_duration{static_cast<std::uint64_t>(a) / 1000}); }
  static void text(Buffer& out, ev_age a, Blanks) { put(out, a); }
  static void json(Buffer& out, std::string_view key, ev_age a) { put_key(out, key), put(out, a); }
};

template <> struct Format<ev_bytes> : Integer<ev_bytes, 10, true> {};
// KiB: the kernel counts in pages.
template <> struct Format<ev_pages> : Integer<ev_pages, 8, true> {
  static ev_pages kib(ev_pages p) {
    static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 1024;
    return unknown(p) || none(p) ? p : ev_pages{static_cast<std::uint64_t>(p) * page};
  }
  static void text(Buffer& out, ev_pages p, Blanks b) { Integer::text(out, kib(p), b); }
  static void json(Buffer& out, std::string_view key, ev_pages p) { Integer::json(out, key, kib(p)); }
};

template <> inline constexpr auto gathered<exit_event> = std::tuple{
    Gathered<WANT_USAGE, &exit_event::user, &exit_event::system, &exit_event::maxrss, &exit_event::read, &exit_event::written>{},
    Gathered<WANT_KILLER, &exit_event::killer, &exit_event::killer_pid>{},
};
}  // namespace needle

static constexpr auto columns =
    shown_last(header_columns<exit_event>, "ppid") + context_columns +
    std::array{
        column<&exit_event::age>("age", "how long ago it was started, in seconds"),
        hidden(column<&exit_event::whole>("whole", "whether the process has ended, not only a thread of it")),
        hidden(column<&exit_event::threads>("threads", "how many of its threads have ended while it was traced")),
        hidden(column<&exit_event::oom>("oom", "whether the kernel ended it because there was no memory left")),
        hidden(column<&exit_event::user>("user_ms", "CPU time in its own code, in ms")),
        hidden(column<&exit_event::system>("system_ms", "CPU time in the kernel, in ms")),
        hidden(column<&exit_event::maxrss>("maxrss", "the most memory that it had at once, in KiB")),
        hidden(column<&exit_event::read>("read", "bytes that it read, from whatever")),
        hidden(column<&exit_event::written>("written", "bytes that it wrote")),
        extra(column<&exit_event::killer_pid>("killer_pid", "who sent the signal; - if it was the kernel")),
        extra(column_as<OtherName, &exit_event::killer>("killer", "its name")),
        column<&exit_event::status>("exit", "its exit code, or the signal that ended it; +core if memory was dumped"),
    };

static constexpr Phrase what[] = {{"", named("exit", columns)}, {" after ", named("age", columns), " s"}};

static constexpr Option options[] = {
    Bpf::flag<&Bpf::Constants::each_thread>("--threads", "each thread that ends, also of the kernel, not only processes"),
};

static void end_thread(Object&) {
  std::thread([] {}).join();
}
static constexpr Trial trials[] = {{"exit", end_thread}};

constexpr Tool needle::exitsnoop =
    make_tool<exitsnoop_bpf, exit_event>("exitsnoop", "exit", "Trace processes as they end, and why.",
                                         "exitsnoop -x\tthose that failed, or were killed\n"
                                         "exitsnoop -x -o +killer_pid,+killer,+oom\tand who killed them\n"
                                         "exitsnoop -n nginx -T\twhen, and after how long, did it end?\n"
                                         "exitsnoop -j -e | jq 'select(.signal)'\tall about what signals ended\n",
                                         columns, {what}, options, trials);
