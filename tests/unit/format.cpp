// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/format.h"
#include "print/net.h"
#include "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <ctime>
#include <limits>
#include <random>
#include <stdexcept>

using namespace needle;
using harness::Json;
using harness::unescape;

namespace {

std::mt19937 rng(20);

std::string text(std::string_view s, Blanks b = Blanks::escaped) {
  Buffer out;
  put_text(out, s, b);
  return out;
}

template <class T> std::string text_of(const T& v, Blanks b = Blanks::escaped, Record r = {}) {
  Buffer out;
  print_text<Format<T>>(out, v, r, b);
  return out;
}
template <class T> Json json_of(const T& v, Record r = {}) {
  Buffer out = "{";
  print_json<Format<T>>(out, "key", v, r);
  return Json::parse(out + "}");
}

std::string utf8(char32_t c) {
  const auto byte = [](char32_t b) { return static_cast<char>(static_cast<unsigned char>(b)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
}

bool is_utf8(const std::string& s) {
  try {
    return Json(s).dump().size() > 1;
  } catch (const Json::type_error&) {
    return false;
  }
}

bool has_control(std::string_view s) {
  return std::any_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

// Half random bytes, half pieces that mean something to a terminal, a shell, a parser or to us.
std::string nasty(std::size_t most, bool with_nul = true) {
  static const std::vector<std::string> pieces{" ",
                                               "  ",
                                               "-",
                                               "?",
                                               "\\",
                                               "\\x41",
                                               "\\n",
                                               "\n",
                                               "\t",
                                               "\r",
                                               "\x1b[2J",
                                               "\x7f",
                                               "'",
                                               "\"",
                                               "$",
                                               "`",
                                               "$(id)",
                                               "*",
                                               "~",
                                               "#",
                                               "!",
                                               "{a,b}",
                                               "=",
                                               "\xc3\xa4",
                                               "\xe6\xbc\xa2",
                                               "\xf0\x9f\x98\x80",
                                               "\xc2\x9b",
                                               "\xe2\x80\xae",
                                               "\xe2\x80\x8b",
                                               "\xef\xbb\xbf",
                                               "\xc0\x80",
                                               "\xed\xa0\x80",
                                               "\xff",
                                               "\xe2\x80",
                                               "a",
                                               "b7",
                                               "/",
                                               "\\...+3",
                                               "\\detached:",
                                               ";",
                                               "&&",
                                               "|",
                                               "<",
                                               ">",
                                               "(",
                                               ")",
                                               "%s",
                                               "\xc2\xa0"};
  std::string s;
  const std::size_t n = rng() % (most + 1);
  while (s.size() < n) {
    if (rng() % 2) s += pieces[rng() % pieces.size()];
    else s.push_back(static_cast<char>(rng() % 256));
  }
  if (!with_nul) std::erase(s, '\0');
  return s;
}

}  // namespace

TEST_CASE("text: every byte alone") {
  for (int b = 0; b < 256; b++) {
    const std::string s(1, static_cast<char>(b));
    const std::string t = text(s);
    INFO(b << ": " << t);
    CHECK(unescape(t) == s);
    CHECK(std::all_of(t.begin(), t.end(), [](char c) { return c > 0x20 && c < 0x7F; }));
    const bool plain = b > 0x20 && b < 0x7F && b != '\\' && b != '-' && b != '?';
    CHECK((t == s) == plain);
  }
  CHECK(text("\n") == "\\n");
  CHECK(text("\t") == "\\t");
  CHECK(text("\r") == "\\r");
  CHECK(text("\\") == "\\\\");
  CHECK(text("\x1b[31m") == "\\x1b[31m");
  CHECK(text("\x7f") == "\\x7f");
}

TEST_CASE("text: every character of Unicode comes back, and those that deceive are escaped") {
  bool all_back = true, all_utf8 = true;
  for (char32_t c = 0x80; c <= 0x10FFFF; c++) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string s = utf8(c), t = text(s);
    all_back &= unescape(t) == s;
    all_utf8 &= t == s || t.find_first_not_of("\\x0123456789abcdef") == t.npos;
  }
  CHECK(all_back);
  CHECK(all_utf8);
  for (char32_t c = 0x80; c < 0xA0; c++) CHECK(text(utf8(c)) != utf8(c));  // C1
  for (const char32_t c :
       {0x061C, 0x200E,  0x200F,  0x202A,  0x202B,  0x202C, 0x202D,  0x202E, 0x2066,  0x2067,  0x2068, 0x2069,  // bidi
        0x200B, 0x200C,  0x200D,  0x2060,  0xFEFF,  0x180E, 0x00AD,  0x034F, 0xE0001, 0xE0041, 0xFE0F,          // not seen
        0x00A0, 0x1680,  0x2000,  0x2003,  0x200A,  0x202F, 0x205F,  0x3000, 0x2800,  0x3164,  // pass for a blank
        0x17B4, 0x180B,  0x180F,  0x1BCA0, 0x13430, 0xFFF0, 0xE0FFF, 0x206A, 0x110BD,          // not seen, or formats
        0x115F, 0x16FE4, 0x13441, 0x1D159,                                                     // drawn as nothing
        0x2028, 0x2029,  0x0085}) {                                                            // end a line
    INFO(std::uint32_t{c});
    CHECK(text(utf8(static_cast<char32_t>(c)))[0] == '\\');
  }
  for (const char* s : {"ä", "é", "ß", "漢字", "русский", "עברית", "😀", "e\xcc\x81"}) CHECK(text(s) == s);
}

TEST_CASE("text: what is no UTF-8 prints as bytes") {
  for (const std::string s : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
                              "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                              "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xc3", "\xe2\x80", "\xf0\x9f\x98", "\xc0\xaf"}) {
    const std::string t = text(s);
    INFO(t);
    CHECK(t.size() == 4 * s.size());
    CHECK(unescape(t) == s);
  }
  CHECK(text("\xc3(") == "\\xc3(");
  CHECK(text("\xe2\x80z") == "\\xe2\\x80z");
}

TEST_CASE("text: blanks, and names that look like nothing") {
  CHECK(text("") == "-");
  CHECK(text("-") == "\\x2d");
  CHECK(text("?") == "\\x3f");
  CHECK(text("--") == "--");
  CHECK(text("a b") == "a\\x20b");
  CHECK(text("a b", Blanks::single) == "a b");
  CHECK(text("a  b", Blanks::single) == "a \\x20b");
  CHECK(text(" a ", Blanks::single) == "\\x20a\\x20");
  CHECK(text(" ", Blanks::single) == "\\x20");
  CHECK(text("", Blanks::single) == "-");
  CHECK(text("-", Blanks::single) == "\\x2d");
}

TEST_CASE("text: random strings come back exactly, in one line, in one field") {
  std::string wrong;
  for (int i = 0; i < 50000 && wrong.empty(); i++) {
    const std::string s = nasty(24);
    for (const Blanks b : {Blanks::escaped, Blanks::single}) {
      const std::string t = text(s, b);
      const bool blanks_good =
          b == Blanks::escaped ? t.find(' ') == t.npos : t.find("  ") == t.npos && t.front() != ' ' && t.back() != ' ';
      if (t.empty() || unescape(t) != s || has_control(t) || !blanks_good || !is_utf8(t)) wrong = t;
    }
  }
  CHECK(wrong == "");
}

TEST_CASE("one byte that must not pass is found wherever it is in a string of any length") {
  std::string wrong;
  for (std::size_t length = 1; length <= 50; length++)
    for (std::size_t at = 0; at < length; at++)
      for (const char odd : {'\x01', '\x1f', ' ', '"', '\\', '\x7f', '\x80', '\xff'}) {
        std::string s(length, '~'), json = "{";
        s[at] = odd;
        put_json_member(json, "key", s);
        const bool passes_text = odd == '"', passes_json = odd == ' ';
        if (unescape(text(s)) != s || (text(s) == s) != passes_text) wrong = text(s);
        if ((json == "{\"key\":\"" + s + "\"") != passes_json) wrong = json;
      }
  CHECK(wrong == "");
}

TEST_CASE("shell words: bash reads random words back exactly") {
  std::vector<std::string> words{"",      "-", "--", "a b", "~",  "~root", "a=b", "#x",   "!x",
                                 "{a,b}", "'", "\\", "a'b", "\n", "$HOME", "*",   "\xff", "  "};
  for (int i = 0; i < 3000; i++) words.push_back(nasty(20, false));
  std::string script, expected;
  for (std::size_t i = 0; i < words.size();) {
    Buffer line;
    const std::size_t n = std::min<std::size_t>(1 + rng() % 5, words.size() - i);
    std::string bytes;
    for (std::size_t k = 0; k < n; k++, i++) {
      bytes += words[i] + '\0';
      if (k) line.push_back(' ');
      put_shell_word(line, words[i]);
    }
    expected += bytes;
    script += "printf '%s\\0' " + line + "\n";
    if (has_control(line) || !is_utf8(line) || line.find("  ") != line.npos) FAIL_CHECK("unsafe: " << Json(text(line)));

    // The same through the formatter of an argv.
    Record r{std::as_bytes(std::span(bytes))};
    const ev_strv v{.s = {0, static_cast<__u16>(bytes.size()), 0}, .count = ev_argc{static_cast<__u32>(n)}, .unused = 0};
    if (text_of(v, Blanks::single, r) != line) FAIL_CHECK("argv: " << line);
    const std::string field = text_of(v, Blanks::escaped, r);
    if (field.find(' ') != field.npos || unescape(field) != line) FAIL_CHECK("not one field: " << field);
  }
  harness::TempDir dir;
  for (const char* locale : {"C", "C.UTF-8"}) {
    INFO(locale);
    const auto result = harness::run({"env", std::string("LC_ALL=") + locale, "bash", dir.file("script", script)});
    CHECK(result.err == "");
    CHECK(result.status == 0);
    CHECK((result.out == expected));
  }
  Buffer plain;
  put_shell_word(plain, "/usr/bin/x-1_2+3,4:5@6%7=8");
  CHECK(plain == "/usr/bin/x-1_2+3,4:5@6%7=8");
}

TEST_CASE("an argv: no words, empty words, missing words, and in JSON an array") {
  const auto argv = [](const std::string& bytes, unsigned missing = 0) {
    const ev_strv v{.s = {0, static_cast<__u16>(bytes.size()), missing}, .count = {}, .unused = 0};
    const Record r{std::as_bytes(std::span(bytes))};
    return std::pair(text_of(v, Blanks::single, r), json_of(v, r));
  };
  using namespace std::string_literals;
  CHECK(argv("").first == "-");
  CHECK(argv("").second["key"] == Json::array());
  CHECK(argv("\0"s).first == "''");
  CHECK(argv("\0"s).second["key"] == Json{""});
  CHECK(argv("a\0\0b\0"s).first == "a '' b");
  CHECK(argv("a\0\0b\0"s).second["key"] == Json{"a", "", "b"});
  CHECK(argv("a\0bc"s, 7).first == "a bc\\...+7");
  CHECK(argv("a\0bc"s, 7).second == Json{{"key", {"a", "bc"}}, {"key_missing", 7}});
  CHECK(argv("\xff\0b\0"s).second == Json{{"key", {"\xef\xbf\xbd", "b"}}, {"key_hex", "ff006200"}});
}

TEST_CASE("JSON strings: exact, or replaced with the bytes beside them") {
  std::string wrong;
  for (int i = 0; i < 50000 && wrong.empty(); i++) {
    const std::string s = nasty(24);
    Buffer out = "{";
    put_json_member(out, "key", s);
    out += "}";
    const Json j = Json::parse(out, nullptr, false);
    if (j.is_discarded() || has_control(out)) {
      wrong = out;
      continue;
    }
    std::string bytes;
    if (j.contains("key_hex"))
      for (const std::string hex = j["key_hex"]; bytes.size() * 2 < hex.size();)
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(bytes.size() * 2, 2), nullptr, 16)));
    const bool good = is_utf8(s) ? j["key"] == s && !j.contains("key_hex")
                                 : bytes == s && j["key"].get<std::string>().find("\xef\xbf\xbd") != std::string::npos;
    if (!good) wrong = out;
    // No raw character that acts on a terminal: what put_text() would escape is ASCII here.
    for (const char* c : {"\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\x8b", "\xef\xbb\xbf"})
      if (out.find(c) != out.npos) wrong = out;
  }
  CHECK(wrong == "");
  Buffer tags;
  put_json_member(tags, "key", utf8(0xE0041));  // beyond 16 bits: a pair of surrogates
  CHECK(tags == "\"key\":\"\\udb40\\udc41\"");
}

TEST_CASE("errno: all have their names, and numbers remain for the rest") {
  for (int e = 1; e < 134; e++) {
    const char* name = strerrorname_np(e);
    CHECK(text_of(ev_errno{e}) == (name ? name : std::to_string(e)));
  }
  CHECK(text_of(ev_errno{2}) == "ENOENT");
  CHECK(text_of(ev_errno{512}) == "ERESTARTSYS");
  CHECK(text_of(ev_errno{516}) == "ERESTART_RESTARTBLOCK");
  CHECK(text_of(ev_errno{4000}) == "4000");
  CHECK(text_of(ev_errno{0}) == "-");
  CHECK(text_of(ev_errno{EV_ERRNO_UNKNOWN}) == "?");
  CHECK(json_of(ev_errno{2}) == Json{{"errno", 2}, {"error", "ENOENT"}});
  CHECK(json_of(ev_errno{0}) == Json{{"errno", 0}, {"error", nullptr}});
  CHECK(json_of(ev_errno{EV_ERRNO_UNKNOWN}) == Json{{"errno", nullptr}, {"error", nullptr}});
}

TEST_CASE("open flags: names there and back") {
  const auto flags = [](unsigned f) { return text_of(ev_oflags{f}); };
  CHECK(flags(0) == "O_RDONLY");
  CHECK(flags(O_WRONLY | O_CREAT | O_TRUNC) == "O_WRONLY|O_CREAT|O_TRUNC");
  CHECK(flags(O_RDWR | O_TMPFILE) == "O_RDWR|O_TMPFILE");
  CHECK(flags(O_DIRECTORY) == "O_RDONLY|O_DIRECTORY");
  CHECK(flags(O_SYNC) == "O_RDONLY|O_SYNC");
  CHECK(flags(O_DSYNC) == "O_RDONLY|O_DSYNC");
  CHECK(flags(0x40000000) == "O_RDONLY|0x40000000");
  CHECK(json_of(ev_oflags{O_WRONLY}) == Json{{"key", "O_WRONLY"}});
  for (unsigned bit = 4; bit; bit <<= 1) {
    const std::string s = flags(bit);
    if (s.find("0x") == s.npos) CHECK(oflag_value(s.substr(s.find('|') + 1)) == bit);
  }
  for (const char* name : {"O_RDONLY", "O_WRONLY", "O_RDWR"}) CHECK(flags(*oflag_value(name)) == name);
  CHECK_FALSE(oflag_value("O_NONSENSE"));
  CHECK_FALSE(oflag_value(""));
}

TEST_CASE("flags: what has no name is there in hexadecimal") {
  constexpr Flag names[] = {{1, "ONE"}, {6, "SIX"}, {2, "TWO"}};
  const auto flags = [&](unsigned f, char bar = '|') {
    Buffer out;
    put_flags(out, f, names, bar);
    return out;
  };
  CHECK(flags(0) == "");
  CHECK(flags(3) == "ONE|TWO");
  CHECK(flags(7, ',') == "ONE,SIX");
  CHECK(flags(8) == "0x8");
  CHECK(flags(0x80001001) == "ONE|0x80001000");
}

TEST_CASE("ids and ports: every value of 32 bits is a value, but for the one that the kernel lets nobody have") {
  for (const unsigned v : {0u, 65534u, 0x7fffffffu, 0x80000000u, 0xfffffffdu, 0xfffffffeu}) {
    INFO(v);
    for (const std::string& text : {text_of(ev_uid{v}), text_of(ev_gid{v}), text_of(ev_port{v}), text_of(ev_audit{v})})
      CHECK(text == std::to_string(v));
    CHECK(json_of(ev_uid{v}) == Json{{"key", v}});
    CHECK(json_of(ev_port{v}) == Json{{"key", v}});
  }
  CHECK(text_of(ev_port{0xffffffff}) == "4294967295");
  CHECK(text_of(ev_uid{0xffffffff}) == "-");
  CHECK(text_of(ev_gid{0xffffffff}) == "-");
  CHECK(text_of(ev_audit{0xffffffff}) == "-");
  CHECK(text_of(ev_port{EV_NONE64}) == "-");
  CHECK(text_of(ev_audit{EV_UNKNOWN64}) == "?");
}

TEST_CASE("times: RFC 3339 in UTC, local time of day") {
  const auto rfc3339 = [](std::int64_t ns) {
    Buffer out;
    put_rfc3339(out, ns);
    return out;
  };
  CHECK(rfc3339(0) == "1970-01-01T00:00:00.000000000Z");
  CHECK(rfc3339(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(rfc3339(1'709'210'096'000'000'789) == "2024-02-29T12:34:56.000000789Z");
  CHECK(rfc3339(4'102'444'799'999'999'999) == "2099-12-31T23:59:59.999999999Z");
  for (int i = 0; i < 20000; i++) {  // lines of several seconds, in any order
    const time_t second = 1'700'000'000 + static_cast<time_t>(rng() % 50);
    char expected[32];
    expected[std::strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000007Z", gmtime(&second))] = '\0';
    REQUIRE(rfc3339(second * 1'000'000'000 + 7) == expected);
  }

  // An event of now prints the clock of now.
  refresh_wall_clock();
  timespec boot{}, before{}, after{};
  clock_gettime(CLOCK_REALTIME, &before);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &after);
  const ev_time t{static_cast<std::uint64_t>(boot.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(boot.tv_nsec)};
  CHECK(std::abs(wall_clock(t) / 1'000'000'000 - before.tv_sec) <= 5);
  CHECK(json_of(t)["key"] == rfc3339(wall_clock(t)));
  const std::int64_t once = wall_clock(t);
  for (int i = 0; i < 1000; i++) {  // what happened once stays where it is
    refresh_wall_clock();
    REQUIRE(wall_clock(t) == once);
  }

  setenv("TZ", "UTC", 1);
  tzset();
  CHECK(text_of(t) == rfc3339(wall_clock(t)).substr(11, 15));
  setenv("TZ", "XXX-5:30", 1);  // ahead of UTC by as much
  tzset();
  const ev_time later{static_cast<std::uint64_t>(t) + 1'000'000'000};
  CHECK(text_of(later) == rfc3339(wall_clock(later) + 19'800'000'000'000).substr(11, 15));
  CHECK(text_of(ev_wall{0, 1, 1}) == "1970-01-01T00:00:00.000000001Z");
  CHECK(text_of(ev_wall{0, 0, 1}) == "1970-01-01T00:00:00.000000000Z");
  CHECK(text_of(ev_wall{-1, 999'999'999, 1}) == "1969-12-31T23:59:59.999999999Z");
  CHECK(text_of(ev_wall{13'569'465'600, 7, 1}) == "2400-01-01T00:00:00.000000007Z");
  CHECK(text_of(ev_wall{253'402'300'799, 0, 1}) == "9999-12-31T23:59:59.000000000Z");
  for (const std::int64_t sec : {253'402'300'800l, -30'610'224'001l, std::numeric_limits<std::int64_t>::max()}) {
    CHECK(text_of(ev_wall{sec, 0, 1}) == "?");
    CHECK(json_of(ev_wall{sec, 0, 1})["key"].is_null());
  }
  CHECK(text_of(ev_wall{}) == "-");
}

TEST_CASE("scalars: their notation, none and not known") {
  CHECK(text_of(ev_pid{4194304}) == "4194304");
  CHECK(text_of(ev_uid{EV_NONE64}) == "-");
  CHECK(text_of(ev_uid{EV_UNKNOWN64}) == "?");
  CHECK(json_of(ev_uid{EV_NONE64})["key"].is_null());
  CHECK(text_of(ev_fd{-1}) == "-");
  CHECK(text_of(ev_fd{0}) == "0");
  CHECK(json_of(ev_fd{-1})["key"].is_null());
  CHECK(json_of(ev_fd{3}) == Json{{"key", 3}});
  CHECK(text_of(ev_mode{0}) == "0000");
  CHECK(text_of(ev_mode{0644}) == "0644");
  CHECK(text_of(ev_mode{06755}) == "6755");
  CHECK(text_of(ev_mode{EV_NONE}) == "-");
  CHECK(text_of(ev_mode{EV_UNKNOWN}) == "?");
  CHECK(json_of(ev_mode{0644}) == Json{{"key", "0644"}});
  CHECK(json_of(ev_mode{EV_NONE})["key"].is_null());
  CHECK(text_of(ev_bool{0}) == "no");
  CHECK(text_of(ev_bool{1}) == "yes");
  CHECK(text_of(ev_bool{EV_NONE}) == "-");
  CHECK(text_of(ev_bool{EV_UNKNOWN}) == "?");
  CHECK(json_of(ev_bool{1}) == Json{{"key", true}});
  CHECK(json_of(ev_bool{EV_NONE})["key"].is_null());
  CHECK(text_of(ev_dev{8u << 20 | 1}) == "8:1");
  CHECK(text_of(ev_dev{}) == "-");
  CHECK(json_of(ev_ino{1ull << 60}) == Json{{"key", "1152921504606846976"}});
  CHECK(text_of(ev_ftype{S_IFREG}) == "file");
  CHECK(text_of(ev_ftype{S_IFIFO | 0644}) == "pipe");
  CHECK(text_of(ev_ftype{}) == "anonymous");
  CHECK(text_of(ev_ftype{EV_NONE}) == "-");
  CHECK(text_of(ev_duration{1'234'567}) == "1.234");
  CHECK(text_of(ev_duration{0}) == "0.000");
  CHECK(text_of(ev_duration{EV_NONE64}) == "-");
  CHECK(json_of(ev_duration{1'500'000}) == Json{{"key", 1.5}});
  CHECK(text_of(ev_caps{}) == "-");
  CHECK(text_of(ev_caps{1ull << 21 | 1}) == "chown,sys_admin");
  CHECK(text_of(ev_caps{(1ull << 41) - 1}) == "all");
  CHECK(text_of(ev_caps{EV_NONE64}) == "?");
  CHECK(text_of(ev_via{VIA_openat2}) == "openat2");
  CHECK(text_of(ev_via{VIA_open | VIA_COMPAT}) == "compat:open");
  CHECK(text_of(ev_via{VIA_IO_URING}) == "io_uring");
  CHECK(text_of(ev_via{VIA_UNKNOWN}) == "?");
  CHECK(text_of(ev_via{200}) == "?");
  CHECK(text_of(ev_src{SRC_USER}) == "user");
  CHECK(text_of(ev_src{77}) == "?");
  CHECK(text_of(ev_comm{"a b"}) == "a\\x20b");
  ev_comm full;
  std::memset(full.s, 'x', sizeof full.s);  // not terminated
  CHECK(text_of(full) == std::string(16, 'x'));
  CHECK(json_of(ev_comm{"\xff"}) == Json{{"key", "\xef\xbf\xbd"}, {"key_hex", "ff"}});
}

TEST_CASE("strings that are not all there say so, and no name can forge it") {
  const std::string bytes = "/a/b";
  const Record r{std::as_bytes(std::span(bytes))};
  const auto str = [](unsigned mark) { return ev_str{0, 4, mark}; };
  CHECK(text_of(str(0), Blanks::single, r) == "/a/b");
  CHECK(text_of(str(3), Blanks::single, r) == "/a/b\\...+3");
  CHECK(text_of(str(EV_STR_DEEP), Blanks::single, r) == "\\.../a/b");
  CHECK(text_of(str(EV_STR_DETACHED), Blanks::single, r) == "\\detached:/a/b");
  CHECK(text_of(str(EV_STR_FOREIGN), Blanks::single, r) == "\\foreign:/a/b");
  CHECK(text_of(str(EV_STR_FOUND), Blanks::single, r) == "\\found:/a/b");
  CHECK(text_of(ev_str{0, 0, EV_STR_DETACHED | EV_STR_DEEP}, Blanks::single, r) == "\\detached:\\...");
  CHECK(json_of(str(EV_STR_FOREIGN | EV_STR_FOUND), r) == Json{{"key", "/a/b"}, {"key_foreign", true}, {"key_found", true}});
  CHECK(text_of(str(EV_STR_DETACHED | EV_STR_DEEP | 9), Blanks::single, r) == "\\detached:\\.../a/b\\...+9");
  CHECK(json_of(str(0), r) == Json{{"key", "/a/b"}});
  CHECK(json_of(str(EV_STR_DETACHED | EV_STR_DEEP | 9), r) ==
        Json{{"key", "/a/b"}, {"key_missing", 9}, {"key_cut", true}, {"key_detached", true}});
  CHECK(json_of(ev_str{}, r)["key"].is_null());
  CHECK(text_of(ev_str{}, Blanks::single, r) == "-");
  for (const std::string forged : {"/a/b\\...+3", "\\.../a/b", "\\detached:/a/b"})
    CHECK(text(forged).find("\\\\") != std::string::npos);
}

TEST_CASE("corrupt records: strings that point outside are empty, and nothing outside is read") {
  const std::size_t page = 4096, size = 200;
  auto* const pages = static_cast<char*>(mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(pages != MAP_FAILED);
  REQUIRE(mprotect(pages + page, page, PROT_READ | PROT_WRITE) == 0);
  char* const bytes = pages + 2 * page - size;  // ends where reading faults
  std::memset(bytes, 'x', size);
  const Record r{std::as_bytes(std::span(bytes, size))};
  for (unsigned off = 0; off <= 0xFFFF; off += off < 2 * size ? 1 : 997)
    for (unsigned len = 0; len <= 0xFFFF; len += len < 2 * size ? 1 : 997) {
      const ev_str s{static_cast<__u16>(off), static_cast<__u16>(len), 0};
      const std::string_view got = r.str(s);
      if (got.size() != (off + len <= size ? len : 0)) FAIL("at " << off << ", " << len << " bytes: got " << got.size());
      if (off % 50 == 0 && len % 50 == 0) {
        CHECK(text_of(s, Blanks::escaped, r).size() == (got.empty() ? 1 : len));
        json_of(s, r);
        json_of(ev_strv{s, {}, 0}, r);
        text_of(ev_strv{s, {}, 0}, Blanks::single, r);
      }
    }
  munmap(pages, 3 * page);
}
