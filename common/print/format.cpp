// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/format.h"

#include "print/unicode.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <ctime>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <iterator>

namespace needle {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr char kHex[] = "0123456789abcdef";

template <class T> void to_chars(Buffer& out, T v, int base = 10) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), v, base).ptr;
  out.append(digits.begin(), end);
}

void put_padded(Buffer& out, std::uint32_t v, std::size_t width) {
  static constexpr auto kPairs = [] {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; i++) pairs[2 * i] = static_cast<char>('0' + i / 10), pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    return pairs;
  }();
  std::array<char, 20> digits;
  std::size_t at = width;
  for (; at >= 2; v /= 100) std::memcpy(&digits[at -= 2], &kPairs[2 * (v % 100)], 2);
  if (at == 1) digits[0] = static_cast<char>('0' + v % 10);
  out.append(digits.data(), width);
}

// The text of a second, for the few that lines are of at a time.
class Seconds {
 public:
  Seconds(const char* format, std::tm* (*split)(const time_t*, std::tm*)) : format_(format), split_(split) {}

  std::string_view text(std::int64_t second) {
    Second& s = kept_[static_cast<std::uint64_t>(second) % kept_.size()];
    if (s.second != second || s.length == 0) {
      const time_t t = s.second = second;
      std::tm tm{};
      split_(&t, &tm);
      s.length = std::strftime(s.text, sizeof s.text, format_, &tm);
    }
    return {s.text, s.length};
  }

 private:
  struct Second {
    std::int64_t second = -1;
    std::size_t length = 0;
    char text[32];
  };
  const char* format_;
  std::tm* (*split_)(const time_t*, std::tm*);
  std::array<Second, 16> kept_;
};

struct Character {
  std::size_t bytes;  // of valid UTF-8; 0: it is none
  char32_t code;
};

// The first character of a string that is not empty. RFC 3629: no overlong forms, no surrogates.
Character decode(std::string_view s) {
  const auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned b = byte(0);
  if (b < 0x80) return {1, b};
  const std::size_t n = b < 0xC2 ? 0 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 0;
  if (n == 0 || n > s.size()) return {0, 0};
  char32_t code = b & (0x7Fu >> n);
  for (std::size_t i = 1; i < n; i++) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? Character{0, 0} : Character{n, code};
}

// Whether a character acts on the terminal, hides, re-orders others, or passes for a blank: see common/unicode.
bool deceives(char32_t c) {
  const auto* const next = std::ranges::upper_bound(kDeceivingCharacters, c, {}, &CharacterRange::first);
  return next != std::begin(kDeceivingCharacters) && c <= std::prev(next)->last;
}

using Block [[gnu::vector_size(16)]] = unsigned char;

// What of a character, or of each in a block, is not 0 unless it is a visible one of ASCII, and none of these.
template <char... Except> auto odd(auto c) { return (c < 0x21) | (c > 0x7E) | (... | (c == static_cast<unsigned char>(Except))); }

// Whether all are visible characters of ASCII but these: what needs no look at each. The last block may overlap.
template <char... Except> bool is_plain(std::string_view s) {
  if (s.size() < sizeof(Block)) return std::ranges::none_of(s, [](char c) { return odd<Except...>(static_cast<unsigned char>(c)); });
  const auto block = [s](std::size_t at) {
    Block b;
    std::memcpy(&b, &s[at], sizeof b);
    return b;
  };
  auto found = odd<Except...>(block(s.size() - sizeof(Block)));
  for (std::size_t at = 0; at + sizeof(Block) < s.size(); at += sizeof(Block)) found |= odd<Except...>(block(at));
  std::uint64_t halves[2];
  std::memcpy(halves, &found, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

void put_hex_byte(Buffer& out, char ch) {
  const auto c = static_cast<unsigned char>(ch);
  out += "\\x";
  out.push_back(kHex[c >> 4]);
  out.push_back(kHex[c & 15]);
}

// One character's bytes, escaped as in C.
void put_escaped(Buffer& out, std::string_view bytes) {
  if (bytes == "\n") out += "\\n";
  else if (bytes == "\t") out += "\\t";
  else if (bytes == "\r") out += "\\r";
  else for (const char c : bytes) put_hex_byte(out, c);
}

#if defined(__x86_64__)
constexpr unsigned kLargeFile = 0100000;  // 0 in a 64-bit libc's fcntl.h
#else
constexpr unsigned kLargeFile = 0400000;
#endif
constexpr std::string_view kAccess[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
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
    "io_uring", "kernel"};

// include/uapi/linux/capability.h, in order.
constexpr std::string_view kCaps[] = {
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore"};

}  // namespace

void put_decimal(Buffer& out, std::uint64_t v) { to_chars(out, v); }
void put_decimal(Buffer& out, std::int64_t v) { to_chars(out, v); }

void put_json_time(Buffer& out, std::string_view key, ev_time t) {
  put_key(out, key);
  out.push_back('"');
  put_rfc3339(out, wall_clock(t));
  out.push_back('"');
}

void WhenStarted::text(Buffer& out, ev_start t, Record, Blanks) {
  static Seconds seconds("%Y-%m-%dT%H:%M:%S", localtime_r);
  out += seconds.text(wall_clock(static_cast<ev_time>(t)) / kSecond);
}

void put_octal(Buffer& out, unsigned v, int digits) {
  const int top = v > 0777 ? (v > 07777 ? 11 : 4) : 3;
  for (int i = (top > digits ? top : digits) - 1; i >= 0; i--)
    out.push_back(static_cast<char>('0' + (i > 10 ? 0 : v >> (3 * i) & 7)));
}

void put_time(Buffer& out, ev_time t) {
  static Seconds seconds("%H:%M:%S.", localtime_r);
  const std::int64_t ns = wall_clock(t);
  out += seconds.text(ns / kSecond);
  put_padded(out, static_cast<std::uint32_t>(ns % kSecond / 1000), 6);
}

void put_rfc3339(Buffer& out, std::int64_t ns) {
  static Seconds seconds("%Y-%m-%dT%H:%M:%S.", gmtime_r);
  std::int64_t rest = ns % kSecond;
  if (rest < 0) rest += kSecond;
  out += seconds.text(ns / kSecond - (ns % kSecond < 0));
  put_padded(out, static_cast<std::uint32_t>(rest), 9);
  out.push_back('Z');
}

void put_text(Buffer& out, std::string_view s, Blanks blanks) {
  if (s.empty()) {
    out.push_back('-');
    return;
  }
  if (s == "-" || s == "?") {  // as a value these two mean "none" and "not known"
    put_hex_byte(out, s[0]);
    return;
  }
  if (is_plain<'\\'>(s)) {
    out += s;
    return;
  }
  bool after_blank = true;  // a blank at the start, at the end, or behind another is escaped
  while (!s.empty()) {
    const Character c = decode(s);
    const std::size_t n = c.bytes ? c.bytes : 1;
    bool blank = false;
    if (c.bytes == 0) put_hex_byte(out, s[0]);
    else if (c.code == '\\') out += "\\\\";
    else if (c.code == ' ') {
      blank = blanks == Blanks::single && !after_blank && s.size() > 1;
      out += blank ? " " : "\\x20";
    } else if (deceives(c.code)) put_escaped(out, s.substr(0, n));
    else out += s.substr(0, n);
    after_blank = blank;
    s.remove_prefix(n);
  }
}

void put_shell_word(Buffer& out, std::string_view s) {
  if (s.empty()) {
    out += "''";
    return;
  }
  if (s != "-" && is_plain<'|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~', '!', '{', '}', '^'>(s)) {
    out += s;
    return;
  }
  bool ansi = s.find("  ") != s.npos;
  for (std::string_view rest = s; !ansi && !rest.empty();) {
    const Character c = decode(rest);
    ansi = c.bytes == 0 || deceives(c.code);
    rest.remove_prefix(c.bytes ? c.bytes : 1);
  }
  if (!ansi) {
    out.push_back('\'');
    for (const char c : s) {
      if (c == '\'') out += "'\\''";
      else out.push_back(c);
    }
    out.push_back('\'');
    return;
  }
  out += "$'";
  for (bool after_blank = false; !s.empty();) {
    const Character c = decode(s);
    const std::size_t n = c.bytes ? c.bytes : 1;
    const bool blank = c.code == ' ' && c.bytes == 1;
    if (c.bytes == 0) put_hex_byte(out, s[0]);
    else if (c.code == '\\' || c.code == '\'') (out.push_back('\\'), out.push_back(s[0]));
    else if (deceives(c.code) || (blank && after_blank)) put_escaped(out, s.substr(0, n));
    else out += s.substr(0, n);
    after_blank = blank;
    s.remove_prefix(n);
  }
  out.push_back('\'');
}

namespace {

// Writes the body of a JSON string; returns whether all of it was UTF-8.
bool put_json_body(Buffer& out, std::string_view s) {
  const auto unicode = [&out](char32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[unit >> shift & 15]);
  };
  bool valid = true;
  while (!s.empty()) {
    const Character c = decode(s);
    if (c.bytes == 0) {
      unicode(0xFFFD);
      valid = false;
      s.remove_prefix(1);
      continue;
    }
    if (c.code == '"' || c.code == '\\') (out.push_back('\\'), out.push_back(s[0]));
    else if (c.code == '\n') out += "\\n";
    else if (c.code == '\t') out += "\\t";
    else if (c.code == '\r') out += "\\r";
    else if (!deceives(c.code)) out += s.substr(0, c.bytes);
    else if (c.code < 0x10000) unicode(c.code);
    else (unicode(0xD800 + ((c.code - 0x10000) >> 10)), unicode(0xDC00 + (c.code & 0x3FF)));
    s.remove_prefix(c.bytes);
  }
  return valid;
}

void put_hex_member(Buffer& out, std::string_view key, std::string_view s) {
  out += ",\"";
  out += key;
  out += "_hex\":\"";
  for (const char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    out.push_back(kHex[c >> 4]);
    out.push_back(kHex[c & 15]);
  }
  out.push_back('"');
}

void put_null(Buffer& out, std::string_view key) {
  put_key(out, key);
  out += "null";
}

void put_suffixed_number(Buffer& out, std::string_view key, std::string_view suffix, std::uint64_t value) {
  out += ",\"";
  out += key;
  out += suffix;
  out += "\":";
  put_decimal(out, value);
}

void put_suffixed_true(Buffer& out, std::string_view key, std::string_view suffix) {
  out += ",\"";
  out += key;
  out += suffix;
  out += "\":true";
}

void put_json_marks(Buffer& out, std::string_view key, const ev_str& s) {
  if (s.mark & EV_STR_MISSING) put_suffixed_number(out, key, "_missing", s.mark & EV_STR_MISSING);
  if (s.mark & EV_STR_DEEP) put_suffixed_true(out, key, "_cut");
  if (s.mark & EV_STR_DETACHED) put_suffixed_true(out, key, "_detached");
  if (s.mark & EV_STR_DELETED) put_suffixed_true(out, key, "_deleted");
  if (s.mark & EV_STR_FOREIGN) put_suffixed_true(out, key, "_foreign");
  if (s.mark & EV_STR_FOUND) put_suffixed_true(out, key, "_found");
}

void put_text_missing(Buffer& out, const ev_str& s) {
  if ((s.mark & EV_STR_MISSING) == 0) return;
  out += "\\...+";
  put_decimal(out, std::uint64_t{s.mark & EV_STR_MISSING});
}

}  // namespace

void put_json_member(Buffer& out, std::string_view key, std::string_view s) {
  put_key(out, key);
  out.push_back('"');
  if (is_plain<'"', '\\'>(s)) {
    out += s;
    out.push_back('"');
    return;
  }
  const bool valid = put_json_body(out, s);
  out.push_back('"');
  if (!valid) put_hex_member(out, key, s);
}

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

void put_flags(Buffer& out, unsigned flags, std::span<const Flag> names, char bar, bool first) {
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
  out += "0x";
  to_chars(out, flags, 16);
}

void put_oflags(Buffer& out, unsigned flags) {
  out += kAccess[flags & O_ACCMODE];
  put_flags(out, flags & ~unsigned{O_ACCMODE}, kOpenFlags, '|', false);
}

std::optional<unsigned> oflag_value(std::string_view name) {
  for (unsigned i = 0; i < O_ACCMODE; i++)
    if (kAccess[i] == name) return i;
  for (const Flag& f : kOpenFlags)
    if (f.name == name) return f.bits;
  return std::nullopt;
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

void Format<ev_duration>::put(Buffer& out, ev_duration d) {
  const auto us = static_cast<std::uint64_t>(d) / 1000;
  put_decimal(out, us / 1000);
  out.push_back('.');
  put_padded(out, static_cast<std::uint32_t>(us % 1000), 3);
}

void Format<ev_errno>::text(Buffer& out, ev_errno e, Blanks) {
  const int value = static_cast<int>(e);
  if (value == 0) out.push_back('-');
  else if (value == EV_ERRNO_UNKNOWN) out.push_back('?');
  else put_errno(out, value);
}

void Format<ev_errno>::json(Buffer& out, std::string_view, ev_errno e) {
  const int value = static_cast<int>(e);
  if (value == 0) out += R"("errno":0,"error":null)";
  else if (value == EV_ERRNO_UNKNOWN) out += R"("errno":null,"error":null)";
  else {
    out += "\"errno\":";
    put_decimal(out, std::int64_t{value});
    out += ",\"error\":\"";
    put_errno(out, value);
    out.push_back('"');
  }
}

static bool not_known(const ev_str& s) { return s.len == 0 && (s.mark & EV_STR_MISSING) == EV_STR_UNKNOWN; }

void Format<ev_str>::text(Buffer& out, const ev_str& s, Record r, Blanks b) {
  if (not_known(s)) return out.push_back('?');
  if (s.mark & EV_STR_DELETED) out += "\\deleted:";
  if (s.mark & EV_STR_FOUND) out += "\\found:";
  if (s.mark & EV_STR_FOREIGN) out += "\\foreign:";
  if (s.mark & EV_STR_DETACHED) out += "\\detached:";
  if (s.mark & EV_STR_DEEP) out += "\\...";
  if (s.len > 0 || !(s.mark & EV_STR_DEEP)) put_text(out, r.str(s), b);
  put_text_missing(out, s);
}

void Format<ev_str>::json(Buffer& out, std::string_view key, const ev_str& s, Record r) {
  if (not_known(s) || (s.len == 0 && s.mark == 0)) return put_null(out, key);
  put_json_member(out, key, r.str(s));
  put_json_marks(out, key, s);
}

// Each word ends with a NUL, but for one that is cut. Of that one there may be nothing left.
template <class F> static void for_each_word(const ev_strv& v, Record r, F f) {
  const std::string_view all = r.str(v.s);
  for (std::string_view rest = all; !rest.empty();) {
    const std::size_t n = rest.find('\0');
    f(rest.substr(0, n));
    rest.remove_prefix(n == rest.npos ? rest.size() : n + 1);
  }
  if (v.s.mark & EV_STR_MISSING && all.ends_with('\0')) f({});
}

void Format<ev_strv>::text(Buffer& out, const ev_strv& v, Record r, Blanks b) {
  Buffer words;
  for_each_word(v, r, [&words](std::string_view word) {
    if (!words.empty()) words.push_back(' ');
    put_shell_word(words, word);
  });
  if (words.empty()) words.push_back('-');
  if (b == Blanks::single) out += words;
  else put_text(out, words, b);
  put_text_missing(out, v.s);
}

void Format<ev_strv>::json(Buffer& out, std::string_view key, const ev_strv& v, Record r) {
  put_key(out, key);
  out.push_back('[');
  bool valid = true, first = true;
  for_each_word(v, r, [&](std::string_view word) {
    if (!first) out.push_back(',');
    first = false;
    out.push_back('"');
    valid &= put_json_body(out, word);
    out.push_back('"');
  });
  out.push_back(']');
  if (!valid) put_hex_member(out, key, r.str(v.s));
  put_json_marks(out, key, v.s);
}

const context* Record::who() const {
  if (bytes.size() < sizeof(event_header)) return nullptr;
  const std::size_t at = as<event_header>().context;
  if (at < sizeof(event_header) || at % alignof(context) != 0 || at + sizeof(context) > bytes.size()) return nullptr;
  return reinterpret_cast<const context*>(bytes.data() + at);
}

template <> const context& Record::as<context>() const {
  static const context unknown = [] {
    context c{};
    for (ev_str* s : {&c.exe, &c.pexe, &c.cwd, &c.tty.name, &c.lineage.s}) s->mark = EV_STR_UNKNOWN;
    c.nspid = c.session = ev_pid{EV_UNKNOWN};
    c.login_uid = ev_uid{EV_UNKNOWN64};
    c.audit_session = ev_audit{EV_UNKNOWN64};
    return c;
  }();
  const context* c = who();
  return c ? *c : unknown;
}

namespace {

// Calls f(pid, comm) for each ancestor, the first one first, and for the process itself.
template <class F> void for_each_of(const ev_lineage& l, Record r, F f) {
  const std::string_view all = r.str(l.s);
  for (std::size_t n = all.size() / sizeof(ancestor); n-- > 0;) {
    ancestor a;
    std::memcpy(&a, all.data() + n * sizeof a, sizeof a);
    f(a.pid, a.comm);
  }
  const auto& h = r.as<event_header>();
  f(static_cast<unsigned>(h.pid), h.comm);
}

// All ancestors are missing, and there are some.
bool not_known(const ev_lineage& l) { return l.s.len == 0 && (l.s.mark & EV_STR_MISSING) != 0; }

}  // namespace

Buffer Format<ev_tty>::name(const ev_tty& tty, Record r) {
  const std::string_view name = r.str(tty.name);
  return name.starts_with("pts") ? "pts/" + Buffer(name.substr(3)) : Buffer(name);
}

void Format<ev_tty>::text(Buffer& out, const ev_tty& tty, Record r, Blanks b) {
  if (not_known(tty.name)) return out.push_back('?');
  put_text(out, name(tty, r), b);
  put_text_missing(out, tty.name);
}

void Format<ev_tty>::json(Buffer& out, std::string_view key, const ev_tty& tty, Record r) {
  if (tty.name.len > 0) put_json_member(out, key, name(tty, r));
  else put_null(out, key);
  if (!not_known(tty.name)) put_json_marks(out, key, tty.name);
}

void Format<ev_lineage>::text(Buffer& out, const ev_lineage& l, Record r, Blanks b) {
  if (not_known(l)) return out.push_back('?');
  if (l.s.mark & EV_STR_DEEP) out += "\\...>";
  const std::size_t first = out.size();
  for_each_of(l, r, [&](unsigned, const ev_comm& comm) {
    if (out.size() > first) out.push_back('>');
    Buffer name;
    put_text(name, Format<ev_comm>::view(comm), b);
    for (const char c : name) {
      if (c == '>') put_hex_byte(out, c);
      else out.push_back(c);
    }
  });
}

void Format<ev_lineage>::json(Buffer& out, std::string_view key, const ev_lineage& l, Record r) {
  if (not_known(l)) return put_null(out, key);
  put_key(out, key);
  char before = '[';
  for_each_of(l, r, [&](unsigned pid, const ev_comm& comm) {
    out.push_back(before);
    before = ',';
    out += "{\"pid\":";
    put_decimal(out, std::uint64_t{pid});
    out.push_back(',');
    put_json_member(out, "comm", Format<ev_comm>::view(comm));
    out.push_back('}');
  });
  out.push_back(']');
  put_json_marks(out, key, l.s);
}

void UserName::text(Buffer& out, ev_uid uid, Record, Blanks b) { put_text(out, user_name(uid), b); }

void UserName::json(Buffer& out, std::string_view key, ev_uid uid, Record) {
  if (const std::string_view name = user_name(uid); !name.empty()) put_json_member(out, key, name);
  else put_null(out, key);
}

void put_container_text(Buffer& out, std::string Container::*part, Record r, Blanks b) {
  constexpr std::size_t kShort = 12;  // as docker ps has it
  const std::string_view value = r.container ? r.container->*part : std::string_view{};
  if (r.container && value.empty() && !r.container->described) return out.push_back('?');
  put_text(out, part == &Container::id ? value.substr(0, kShort) : value, b);
}

void put_container_json(Buffer& out, std::string_view key, std::string Container::*part, Record r) {
  if (r.container && !(r.container->*part).empty()) put_json_member(out, key, r.container->*part);
  else put_null(out, key);
}

}  // namespace needle
