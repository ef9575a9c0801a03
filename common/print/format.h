// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How each kind of field prints, as text and as JSON: one specialization a type.
#pragma once

#include "event.h"
#include "print/clock.h"
#include "print/names.h"
#include "print/text.h"
#include "record.h"
#include "who/host.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace needle {

enum class Align { left, right };

// What of a record decides how a column prints: fields of its event, which the column knows, or else all of it; all the context; its
// container. A How may have it as `part`; without, it follows from where the field is.
enum class Part { fields, context, container };

template <class T> struct Format;  // left undefined: a field of this type cannot be a column

// Format<T> has: width, align; text(out, value, record, blanks); json(out, key, value, record),
// which writes one member or several, with a comma between them. Text of any length has `least` too: see Column. Where nothing
// but the value decides, both do without the record, and what they wrote may be used again for the next event with the same
// value, until the clock is set.

// Numbers, the greatest two of which may stand for "none" and "not known", and one more for "none".
template <class T, int Width, bool Sentinels = false, std::uint64_t Invalid = EV_NONE64> struct Integer {
  static constexpr int width = Width;
  static constexpr Align align = Align::right;
  using Raw = std::underlying_type_t<T>;
  using Wide = std::conditional_t<std::is_signed_v<Raw>, std::int64_t, std::uint64_t>;

  static bool none(T v) {
    return Sentinels && (static_cast<Raw>(v) == static_cast<Raw>(~Raw{0}) || static_cast<Raw>(v) == static_cast<Raw>(Invalid));
  }
  static bool unknown(T v) { return Sentinels && static_cast<Raw>(v) == static_cast<Raw>(~Raw{1}); }
  static void text(Buffer& out, T v, Blanks) {
    if (none(v)) out.push_back('-');
    else if (unknown(v)) out.push_back('?');
    else put_decimal(out, static_cast<Wide>(v));
  }
  static void json(Buffer& out, std::string_view key, T v) {
    put_key(out, key);
    if (none(v) || unknown(v)) out += "null";
    else put_decimal(out, static_cast<Wide>(v));
  }
};

// Values that print as a word, the same in text and in JSON: F::put(Buffer&, value) after
// F::none(value) and F::unknown(value) said no.
template <class T, class F, int Width, Align Side = Align::left> struct Word {
  static constexpr int width = Width;
  static constexpr Align align = Side;
  static bool none(T) { return false; }
  static bool unknown(T) { return false; }
  static void text(Buffer& out, T v, Blanks) {
    if (F::none(v)) out.push_back('-');
    else if (F::unknown(v)) out.push_back('?');
    else F::put(out, v);
  }
  static void json(Buffer& out, std::string_view key, T v) {
    put_key(out, key);
    if (F::none(v) || F::unknown(v)) {
      out += "null";
      return;
    }
    out.push_back('"');
    F::put(out, v);
    out.push_back('"');
  }
};

// Flags, the names of which are F::names; 0 is "none".
template <class T, class F, int Width, char Bar = '|'> struct Flags : Word<T, F, Width> {
  static bool none(T v) { return v == T{}; }
  static void put(Buffer& out, T v) { put_flags(out, static_cast<std::underlying_type_t<T>>(v), F::names, Bar); }
};

template <class How, class T>
concept ByValue = requires(Buffer& out, const T& value) {
  How::json(out, {}, value);
};

template <class How, class T> void print_text(Buffer& out, const T& value, const Record& r, Blanks b) {
  if constexpr (ByValue<How, T>) How::text(out, value, b);
  else How::text(out, value, r, b);
}
template <class How, class T> void print_json(Buffer& out, std::string_view key, const T& value, const Record& r) {
  if constexpr (ByValue<How, T>) How::json(out, key, value);
  else How::json(out, key, value, r);
}

template <> struct Format<ev_pid> : Integer<ev_pid, 7, true> {};
template <> struct Format<ev_uid> : Integer<ev_uid, 5, true, 0xffffffff> {};  // INVALID_UID: that of nobody, in the kernel too
template <> struct Format<ev_gid> : Integer<ev_gid, 5, true, 0xffffffff> {};
template <> struct Format<ev_cgroup> : Integer<ev_cgroup, 10> {};
template <> struct Format<ev_ns> : Integer<ev_ns, 10, true> {};
template <> struct Format<ev_fd> : Integer<ev_fd, 3, true> {};
template <> struct Format<ev_count> : Integer<ev_count, 6> {};
template <> struct Format<ev_argc> : Integer<ev_argc, 4, true> {};
template <> struct Format<ev_audit> : Integer<ev_audit, 7, true, 0xffffffff> {};  // AUDIT_SID_UNSET

void put_json_time(Buffer& out, std::string_view key, ev_time t);
// Each event has another.
template <> struct Format<ev_time> {
  static constexpr int width = 15;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, ev_time t, const Record&, Blanks) { put_time(out, t); }
  static void json(Buffer& out, std::string_view key, ev_time t, const Record&) { put_json_time(out, key, t); }
};
// Whole microseconds of the kernel's own clock: the same whoever asks, and when, and below 2^53 for 285 years.
template <> struct Format<ev_start> {
  static constexpr int width = 13;
  static constexpr Align align = Align::right;
  static void put(Buffer& out, ev_start t) { put_decimal(out, static_cast<std::uint64_t>(t) / 1000); }
  static void text(Buffer& out, ev_start t, Blanks) { put(out, t); }
  static void json(Buffer& out, std::string_view key, ev_start t) { put_key(out, key), put(out, t); }
};
template <> struct Format<ev_wall> : Word<ev_wall, Format<ev_wall>, 30> {
  static constexpr std::int64_t first = -30'610'224'000,
                                last = 253'402'300'799;  // of the years 1000 to 9999: RFC 3339 has four digits
  static bool none(ev_wall t) { return t.known == 0; }
  static bool unknown(ev_wall t) { return t.sec < first || t.sec > last; }
  static void put(Buffer& out, ev_wall t) { put_rfc3339(out, t.sec, t.nsec); }
};
// Milliseconds with three decimals, as a number in JSON too.
template <> struct Format<ev_duration> {
  static constexpr int width = 8;
  static constexpr Align align = Align::right;
  static void put(Buffer& out, ev_duration d);
  static bool none(ev_duration d) { return static_cast<std::uint64_t>(d) == EV_NONE64; }
  static void text(Buffer& out, ev_duration d, Blanks) {
    if (none(d)) out.push_back('-');
    else put(out, d);
  }
  static void json(Buffer& out, std::string_view key, ev_duration d) {
    put_key(out, key);
    if (none(d)) out += "null";
    else put(out, d);
  }
};
// The column "err" is "errno" and "error" in JSON.
template <> struct Format<ev_errno> {
  static constexpr int width = 7;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, ev_errno e, Blanks);
  static void json(Buffer& out, std::string_view key, ev_errno e);
};
template <> struct Format<ev_mode> : Word<ev_mode, Format<ev_mode>, 4, Align::right> {
  static bool none(ev_mode m) { return static_cast<unsigned>(m) == EV_NONE; }
  static bool unknown(ev_mode m) { return static_cast<unsigned>(m) == EV_UNKNOWN; }
  static void put(Buffer& out, ev_mode m) { put_octal(out, static_cast<unsigned>(m), 4); }
};
template <> struct Format<ev_oflags> : Word<ev_oflags, Format<ev_oflags>, 18> {
  static void put(Buffer& out, ev_oflags f) { put_oflags(out, static_cast<unsigned>(f)); }
};
template <> struct Format<ev_ftype> : Word<ev_ftype, Format<ev_ftype>, 9> {
  static bool none(ev_ftype t) { return static_cast<unsigned>(t) == EV_NONE; }
  static void put(Buffer& out, ev_ftype t) { out += ftype_name(static_cast<unsigned>(t)); }
};
template <> struct Format<ev_dev> : Word<ev_dev, Format<ev_dev>, 7> {
  static bool none(ev_dev d) { return d == ev_dev{}; }
  static void put(Buffer& out, ev_dev d) {
    put_decimal(out, std::uint64_t{static_cast<unsigned>(d) >> 20});
    out.push_back(':');
    put_decimal(out, std::uint64_t{static_cast<unsigned>(d) & 0xfffff});
  }
};
// A string in JSON: inode numbers may pass 2^53.
template <> struct Format<ev_ino> : Word<ev_ino, Format<ev_ino>, 10, Align::right> {
  static bool none(ev_ino i) { return i == ev_ino{}; }
  static void put(Buffer& out, ev_ino i) { put_decimal(out, static_cast<std::uint64_t>(i)); }
};
template <> struct Format<ev_caps> : Word<ev_caps, Format<ev_caps>, 8> {
  static bool none(ev_caps c) { return c == ev_caps{}; }
  static bool unknown(ev_caps c) { return static_cast<std::uint64_t>(c) == EV_NONE64; }
  static void put(Buffer& out, ev_caps c) { put_caps(out, static_cast<std::uint64_t>(c)); }
};
template <> struct Format<ev_via> : Word<ev_via, Format<ev_via>, 8> {
  static bool unknown(ev_via v) { return v == ev_via{}; }
  static void put(Buffer& out, ev_via v) {
    if (static_cast<unsigned>(v) & VIA_COMPAT) out += "compat:";
    out += via_name(static_cast<unsigned>(v) & ~unsigned{VIA_COMPAT});
  }
};
template <> struct Format<ev_src> : Word<ev_src, Format<ev_src>, 6> {
  static bool unknown(ev_src s) { return src_name(s).empty(); }
  static void put(Buffer& out, ev_src s) { out += src_name(s); }
};
template <> struct Format<ev_signal> : Word<ev_signal, Format<ev_signal>, 9> {
  static void put(Buffer& out, ev_signal s) { put_signal(out, static_cast<int>(s)); }
};
template <> struct Format<ev_bool> {
  static constexpr int width = 5;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, ev_bool b, Blanks) {
    out += static_cast<unsigned>(b) == EV_NONE      ? "-"
           : static_cast<unsigned>(b) == EV_UNKNOWN ? "?"
           : b == ev_bool{}                         ? "no"
                                                    : "yes";
  }
  static void json(Buffer& out, std::string_view key, ev_bool b) {
    put_key(out, key);
    out += static_cast<unsigned>(b) >= EV_UNKNOWN ? "null" : b == ev_bool{} ? "false" : "true";
  }
};
template <> struct Format<ev_comm> {
  static constexpr int width = 16;
  static constexpr int least = 8;
  static constexpr Align align = Align::left;
  static std::string_view view(const ev_comm& c) { return {c.s, strnlen(c.s, sizeof c.s)}; }
  static void text(Buffer& out, const ev_comm& c, Blanks b) { put_text(out, view(c), b); }
  static void json(Buffer& out, std::string_view key, const ev_comm& c) { put_json_member(out, key, view(c)); }
};
// Of somebody that there may not be: null in JSON.
struct OtherName : Format<ev_comm> {
  static void json(Buffer& out, std::string_view key, const ev_comm& c) {
    if (c.s[0]) Format<ev_comm>::json(out, key, c);
    else put_null(out, key);
  }
};
// In text, "\...+N" follows a string of which N bytes are missing, "\..." precedes a path that
// has lost its beginning, "\detached:" one that no mount namespace shows, "\foreign:" one of another mount
// namespace than the process's, "\deleted:" one whose name has been removed, "\found:" a program that is there
// although its exec failed. No name can forge them: a backslash of its own is printed as two. In JSON they
// are KEY_missing, KEY_cut, KEY_detached, KEY_foreign, KEY_deleted, KEY_found.
template <> struct Format<ev_str> {
  static constexpr int width = 24;
  static constexpr int least = 12;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_str& s, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, const ev_str& s, const Record& r);
};
// "pts/0", as ps and who name it; the kernel's name lacks the slash.
template <> struct Format<ev_tty> {
  static constexpr int width = 8;
  static constexpr Align align = Align::left;
  static Buffer name(const ev_tty& tty, const Record& r);
  static void text(Buffer& out, const ev_tty& tty, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, const ev_tty& tty, const Record& r);
};
// "systemd>sshd>bash": from the first ancestor to the process itself. A > of a name's own is
// printed as \x3e. In JSON [{"pid":1,"comm":"systemd"},...].
template <> struct Format<ev_lineage> {
  static constexpr int width = 24;
  static constexpr int least = 12;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_lineage& l, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, const ev_lineage& l, const Record& r);
};
// Columns that print something else than their field.
struct WhenStarted {  // to the second in text, with the date: it may be long ago
  static constexpr int width = 19;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, ev_start t, Blanks);
  static void json(Buffer& out, std::string_view key, ev_start t) { put_json_time(out, key, static_cast<ev_time>(t)); }
};
struct EventName {
  static constexpr int width = 8;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, __u16, const Record& r, Blanks b) {
    put_text(out, r.event, b);
    if (r.late) out.push_back('^');
  }
  static void json(Buffer& out, std::string_view key, __u16, const Record& r) { put_json_member(out, key, r.event); }
};
struct HostName {  // of the tracer's: wherever the event was
  static constexpr int width = 12;
  static constexpr int least = 8;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, __u16, Blanks b) { put_text(out, host_name(), b); }
  static void json(Buffer& out, std::string_view key, __u16) { put_json_member(out, key, host_name()); }
};
struct UserName {
  static constexpr int width = 8;
  static constexpr int least = 8;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, ev_uid uid, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, ev_uid uid, const Record& r);
};
struct Sha256 {  // of the file that is the program: what the record's stage knows
  static constexpr Part part = Part::fields;
  static constexpr int width = 64;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const image& i, const Record& r, Blanks);
  static void json(Buffer& out, std::string_view key, const image& i, const Record& r);
};
// What is known of the record's container.
void put_container_text(Buffer& out, std::string Container::*part, const Record& r, Blanks b);
void put_container_json(Buffer& out, std::string_view key, std::string Container::*part, const Record& r);
template <std::string Container::*Part, int Width> struct OfContainer {
  static constexpr needle::Part part = needle::Part::container;
  static constexpr int width = Width;
  static constexpr int least = 8;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_cgroups&, const Record& r, Blanks b) { put_container_text(out, Part, r, b); }
  static void json(Buffer& out, std::string_view key, const ev_cgroups&, const Record& r) {
    put_container_json(out, key, Part, r);
  }
};

template <> struct Format<ev_strv> {
  static constexpr int width = 24;
  static constexpr int least = 12;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_strv& s, const Record& r, Blanks b);
  static void json(Buffer& out, std::string_view key, const ev_strv& s, const Record& r);
};

}  // namespace needle
