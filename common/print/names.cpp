// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/names.h"

#include <fcntl.h>
#include <signal.h>
#include <strings.h>
#include <sys/stat.h>

#include <charconv>
#include <cstring>
#include <iterator>

namespace needle {
namespace {

#if defined(__x86_64__)
constexpr unsigned kLargeFile = 0100000;  // 0 in a 64-bit libc's fcntl.h
#else
constexpr unsigned kLargeFile = 0400000;
#endif
constexpr std::string_view kAccess[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
// clang-format off
constexpr Flag kOpenFlags[] = {
    {O_CREAT, "O_CREAT"}, {O_EXCL, "O_EXCL"}, {O_NOCTTY, "O_NOCTTY"}, {O_TRUNC, "O_TRUNC"}, {O_APPEND, "O_APPEND"},
    {O_NONBLOCK, "O_NONBLOCK"}, {O_SYNC, "O_SYNC"}, {O_DSYNC, "O_DSYNC"}, {O_ASYNC, "O_ASYNC"}, {O_DIRECT, "O_DIRECT"},
    {kLargeFile, "O_LARGEFILE"}, {O_TMPFILE, "O_TMPFILE"}, {O_DIRECTORY, "O_DIRECTORY"}, {O_NOFOLLOW, "O_NOFOLLOW"},
    {O_NOATIME, "O_NOATIME"}, {O_CLOEXEC, "O_CLOEXEC"}, {O_PATH, "O_PATH"}};

constexpr std::string_view kVia[] = {
    "?",
#define X(name, ...) #name,
    NEEDLE_SYSCALLS(X)
#undef X
    "io_uring", "kernel", "none"};

// include/uapi/linux/capability.h, in order.
constexpr std::string_view kCaps[] = {
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore"};
// clang-format on

}  // namespace

void put_errno(Buffer& out, int e) {
  if (const char* name = strerrorname_np(e)) {
    out += name;
    return;
  }
  switch (e) {  // include/linux/errno.h: seen by a tracer, never by the program
    case 512: out += "ERESTARTSYS"; return;
    case 513: out += "ERESTARTNOINTR"; return;
    case 514: out += "ERESTARTNOHAND"; return;
    case 516: out += "ERESTART_RESTARTBLOCK"; return;
    case 524: out += "ENOTSUPP"; return;
    default: put_decimal(out, std::int64_t{e});
  }
}

std::string_view via_name(unsigned via) { return via < std::size(kVia) ? kVia[via] : "?"; }

std::string_view src_name(ev_src s) {
  switch (static_cast<unsigned>(s)) {
    case SRC_KERNEL: return "kernel";
    case SRC_FD: return "fd";
    case SRC_USER: return "user";
    default: return {};
  }
}

void put_flags(Buffer& out, std::uint64_t flags, std::span<const Flag> names, char bar, bool first) {
  const auto next = [&] {
    if (!first) out.push_back(bar);
    first = false;
  };
  for (const Flag& f : names) {
    if ((flags & f.bits) != f.bits) continue;
    next();
    out += f.name;
    flags &= ~f.bits;
  }
  if (flags == 0) return;
  next();
  put_hexadecimal(out, flags);
}

void put_oflags(Buffer& out, unsigned flags) {
  out += kAccess[flags & O_ACCMODE];
  put_flags(out, flags & ~unsigned{O_ACCMODE}, kOpenFlags, '|', false);
}

std::optional<unsigned> oflag_value(std::string_view name) {
  for (unsigned i = 0; i < O_ACCMODE; i++)
    if (kAccess[i] == name) return i;
  for (const Flag& f : kOpenFlags)
    if (f.name == name) return static_cast<unsigned>(f.bits);
  return std::nullopt;
}

std::vector<std::string_view> oflag_names() {
  std::vector<std::string_view> all(kAccess, kAccess + O_ACCMODE);
  for (const Flag& f : kOpenFlags) all.push_back(f.name);
  return all;
}

// The kernel's numbers: libc keeps the first two realtime signals for itself.
constexpr int kFirstRealtime = 32, kLastSignal = 64;

void put_signal(Buffer& out, int signal) {
  if (const char* const name = sigabbrev_np(signal)) (out += "SIG") += name;
  else if (signal >= SIGRTMIN && signal <= kLastSignal) (out += "SIGRTMIN+"), put_decimal(out, std::int64_t{signal - SIGRTMIN});
  else if (signal >= kFirstRealtime && signal <= kLastSignal) (out += "SIG"), put_decimal(out, std::int64_t{signal});
  else put_decimal(out, std::int64_t{signal});
}

std::optional<int> signal_value(std::string_view name) {
  const auto number = [](std::string_view digits, int base, int last) -> std::optional<int> {
    int n = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc{} || end != digits.data() + digits.size() || n < 0 || base + n > last) return std::nullopt;
    return base + n;
  };
  if (const auto n = number(name, 0, kLastSignal)) return n;
  const auto begins = [&](std::string_view word) {
    return name.size() >= word.size() && strncasecmp(name.data(), word.data(), word.size()) == 0;
  };
  if (begins("SIG")) name.remove_prefix(3);
  if (begins("RTMIN+")) return number(name.substr(6), SIGRTMIN, kLastSignal);
  if (begins("RTMIN") && name.size() == 5) return SIGRTMIN;
  if (begins("RTMAX") && name.size() == 5) return kLastSignal;
  constexpr std::pair<std::string_view, int> kOther[] = {{"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"IO", SIGPOLL}};
  for (const auto& [other, value] : kOther)
    if (begins(other) && name.size() == other.size()) return value;
  for (int n = 1; n < kFirstRealtime; n++)
    if (const std::string_view known = sigabbrev_np(n) ? sigabbrev_np(n) : ""; begins(known) && name.size() == known.size())
      return n;
  return number(name, 0, kLastSignal);
}

std::vector<std::string_view> signal_names() {
  std::vector<std::string_view> all;
  for (int n = 1; n < kFirstRealtime; n++)
    if (const char* const name = sigabbrev_np(n)) all.emplace_back(name);
  return all;
}

void put_caps(Buffer& out, std::uint64_t caps) {
  // All that this kernel, or the suite, has a name for.
  if ((caps & ((1ull << std::size(kCaps)) - 1)) == (1ull << std::size(kCaps)) - 1) {
    out += "all";
    return;
  }
  bool first = true;
  for (unsigned i = 0; i < 64; i++) {
    if (!(caps >> i & 1)) continue;
    if (!first) out.push_back(',');
    first = false;
    if (i < std::size(kCaps)) out += kCaps[i];
    else put_decimal(out, std::uint64_t{i});
  }
}

std::string_view ftype_name(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "pipe";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "char";
    case S_IFBLK: return "block";
    default: return "anonymous";  // anon_inode files have no type
  }
}

}  // namespace needle
