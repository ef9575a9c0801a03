// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/format.h"

#include "who/users.h"

namespace needle {
namespace {

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

void put_json_time(Buffer& out, std::string_view key, ev_time t) {
  put_key(out, key);
  out.push_back('"');
  put_rfc3339(out, wall_clock(t));
  out.push_back('"');
}

void WhenStarted::text(Buffer& out, ev_start t, Blanks) { put_date(out, static_cast<ev_time>(t)); }

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

void Format<ev_str>::text(Buffer& out, const ev_str& s, const Record& r, Blanks b) {
  if (not_known(s)) return out.push_back('?');
  if (s.mark & EV_STR_DELETED) out += "\\deleted:";
  if (s.mark & EV_STR_FOUND) out += "\\found:";
  if (s.mark & EV_STR_FOREIGN) out += "\\foreign:";
  if (s.mark & EV_STR_DETACHED) out += "\\detached:";
  if (s.mark & EV_STR_DEEP) out += "\\...";
  if (s.len > 0 || !(s.mark & EV_STR_DEEP)) put_text(out, r.str(s), b);
  put_text_missing(out, s);
}

void Format<ev_str>::json(Buffer& out, std::string_view key, const ev_str& s, const Record& r) {
  if (not_known(s) || (s.len == 0 && s.mark == 0)) return put_null(out, key);
  put_json_member(out, key, r.str(s));
  put_json_marks(out, key, s);
}

// Each word ends with a NUL, but for one that is cut. Of that one there may be nothing left.
template <class F> static void for_each_word(const ev_strv& v, const Record& r, F f) {
  const std::string_view all = r.str(v.s);
  for (std::string_view rest = all; !rest.empty();) {
    const std::size_t n = rest.find('\0');
    f(rest.substr(0, n));
    rest.remove_prefix(n == rest.npos ? rest.size() : n + 1);
  }
  if (v.s.mark & EV_STR_MISSING && all.ends_with('\0')) f({});
}

void Format<ev_strv>::text(Buffer& out, const ev_strv& v, const Record& r, Blanks b) {
  if (not_known(v.s)) return out.push_back('?');
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

void Format<ev_strv>::json(Buffer& out, std::string_view key, const ev_strv& v, const Record& r) {
  if (not_known(v.s)) return put_null(out, key);
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

namespace {

// Calls f(pid, comm) for each ancestor, the first one first, and for the process itself.
template <class F> void for_each_of(const ev_lineage& l, const Record& r, F f) {
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

Buffer Format<ev_tty>::name(const ev_tty& tty, const Record& r) {
  const std::string_view name = r.str(tty.name);
  return name.starts_with("pts") ? "pts/" + Buffer(name.substr(3)) : Buffer(name);
}

void Format<ev_tty>::text(Buffer& out, const ev_tty& tty, const Record& r, Blanks b) {
  if (not_known(tty.name)) return out.push_back('?');
  put_text(out, name(tty, r), b);
  put_text_missing(out, tty.name);
}

void Format<ev_tty>::json(Buffer& out, std::string_view key, const ev_tty& tty, const Record& r) {
  if (tty.name.len > 0) put_json_member(out, key, name(tty, r));
  else put_null(out, key);
  if (!not_known(tty.name)) put_json_marks(out, key, tty.name);
}

void Format<ev_lineage>::text(Buffer& out, const ev_lineage& l, const Record& r, Blanks b) {
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

void Format<ev_lineage>::json(Buffer& out, std::string_view key, const ev_lineage& l, const Record& r) {
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

namespace {

std::string_view name_of(ev_uid uid) {
  return Format<ev_uid>::none(uid) || Format<ev_uid>::unknown(uid) ? std::string_view{} : user_name(static_cast<uid_t>(uid));
}

}  // namespace

void UserName::text(Buffer& out, ev_uid uid, const Record&, Blanks b) { put_text(out, name_of(uid), b); }

void UserName::json(Buffer& out, std::string_view key, ev_uid uid, const Record&) {
  if (const std::string_view name = name_of(uid); !name.empty()) put_json_member(out, key, name);
  else put_null(out, key);
}

void Sha256::text(Buffer& out, const image& i, const Record& r, Blanks) {
  if (i.ino == ev_ino{} && r.who()) out.push_back('-');
  else if (r.sha256.empty()) out.push_back('?');
  else out += r.sha256;
}

void Sha256::json(Buffer& out, std::string_view key, const image&, const Record& r) {
  if (r.sha256.empty()) put_null(out, key);
  else put_json_member(out, key, r.sha256);
}

void put_container_text(Buffer& out, std::string Container::*part, const Record& r, Blanks b) {
  constexpr std::size_t kShort = 12;  // as docker ps has it
  const std::string_view value = r.container ? r.container->*part : std::string_view{};
  if (r.container && value.empty() && !r.container->described) return out.push_back('?');
  put_text(out, part == &Container::id ? value.substr(0, kShort) : value, b);
}

void put_container_json(Buffer& out, std::string_view key, std::string Container::*part, const Record& r) {
  if (r.container && !(r.container->*part).empty()) put_json_member(out, key, r.container->*part);
  else put_null(out, key);
}

}  // namespace needle
