// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The table, JSON lines, and the options: with a tool that is made up.
#include "run/options.h"
#include "print/output.h"
#include "print/summary.h"
#include "harness.h"

#include <random>
#include <sstream>

using namespace needle;
using harness::Json;

struct made_up_event {
  event_header h;
  ev_fd fd;
  ev_errno err;
  ev_count bytes;
  ev_str name;
  ev_str path;
};

static constexpr auto columns =
    header_columns<made_up_event> + std::array{
                                        column<&made_up_event::fd>("fd", "a number"),
                                        column<&made_up_event::err>("err", "an error"),
                                        column<&made_up_event::name>("name", "a string that is not the last"),
                                        hidden(column<&made_up_event::bytes>("bytes", "a count")),
                                        column<&made_up_event::path>("path", "the last"),
                                    };

namespace {

// What was given for --own is a remark, so that tests can read it.
constexpr Option options[] = {{"--own", "WORD", "a list",
                               [](std::string_view word, std::vector<std::string>& remarks) -> Setting {
                                 remarks.emplace_back(word);
                                 return [](Object&, MapEntries&) {};
                               }},
                              {"-w,--write", "", "a flag", [](std::string_view, std::vector<std::string>&) -> Setting {
                                 return [](Object&, MapEntries&) {};
                               }}};
constexpr Tool tool = {.name = "made_up",
                       .event = "make_up",
                       .about = "Nothing.",
                       .examples = "",
                       .operands = "",
                       .event_size = sizeof(made_up_event),
                       .columns = columns,
                       .timeline = {},
                       .err = nullptr,
                       .options = options,
                       .trials = {},
                       .blind = {},
                       .open = nullptr};

Columns all_columns() {
  Columns all;
  for (const Column& c : tool.columns) all.push_back(&c);
  return all;
}

const Column* named(std::string_view name) { return std::ranges::find(tool.columns, name, &Column::name).base(); }

// A record, with its two strings behind it.
std::string record(made_up_event e, const std::string& name, const std::string& path) {
  e.name = {sizeof e, static_cast<__u16>(name.size()), 0};
  e.path = {static_cast<__u16>(sizeof e + name.size()), static_cast<__u16>(path.size()), 0};
  return std::string(reinterpret_cast<const char*>(&e), sizeof e) + name + path;
}

std::string print(Output& output, const std::string& bytes) {
  Buffer out;
  output.event(out, {std::as_bytes(std::span(bytes))});
  return out;
}

std::string without_colour(std::string text) {
  for (std::size_t at; (at = text.find('\x1b')) != text.npos;) text.erase(at, text.find('m', at) + 1 - at);
  return text;
}

std::string text_of(ev_errno e) {
  Buffer out;
  Format<ev_errno>::text(out, e, Blanks::escaped);
  return out;
}

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

struct Parsed {
  Options o;
  std::string error;
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Column* c : o.columns) all.emplace_back(c->name);
    return all;
  }
};
Parsed parse(std::vector<std::string> words) {
  words.insert(words.begin(), "made_up");
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  Parsed p;
  try {
    const int status = parse_options(tool, static_cast<int>(argv.size()), argv.data(), p.o);
    CHECK(status == -1);
  } catch (const BadUsage& e) {
    p.error = e.what();
  }
  return p;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("table: heading and rows line up, and every cell but the last is one field") {
  const auto table = make_table(all_columns(), false);
  Buffer heading;
  table->begin(heading, {});
  CHECK(heading.back() == '\n');
  CHECK(split(heading).size() == columns.size());

  std::mt19937 rng(1);
  const Names strings{"", "-", "?", "plain", "a b", " ", "\n", "\x1b[2J", "x\xff", "  ", "/tmp/a b  c", "\t"};
  for (int i = 0; i < 2000; i++) {
    made_up_event e{};
    e.h.pid = ev_pid{static_cast<__u32>(rng() % 4194304)};
    e.fd = ev_fd{static_cast<int>(rng() % 100) - 1};
    e.err = ev_errno{static_cast<int>(rng() % 140)};
    const std::string& comm = strings[rng() % strings.size()];
    comm.copy(e.h.comm.s, 15);
    const std::string& name = strings[rng() % strings.size()];
    const std::string& path = strings[rng() % strings.size()];
    const std::string row = print(*table, record(e, name, path));
    INFO(row);
    REQUIRE(std::count(row.begin(), row.end(), '\n') == 1);
    REQUIRE(row.back() == '\n');
    REQUIRE(row[row.size() - 2] != ' ');
    const auto cells = split(row);
    REQUIRE(cells.size() >= columns.size());
    CHECK(cells[6] == std::to_string(static_cast<unsigned>(e.h.pid)));
    CHECK(cells[columns.size() - 2] == "0");  // bytes, behind the name: nothing shifted
  }

  // Ordinary values: each cell begins or ends under its heading.
  made_up_event e{};
  e.h.pid = ev_pid{1234};
  e.fd = ev_fd{5};
  e.err = ev_errno{2};
  const std::string row = print(*table, record(e, "name", "/path"));
  for (const auto& [head, cell, right] : {std::tuple{" PID", " 1234", true},
                                          {" FD", " 5", true},
                                          {"ERR", "ENOENT", false},
                                          {"NAME", "name", false},
                                          {"PATH", "/path", false}}) {
    INFO(head);
    const std::size_t h = heading.find(head), c = row.find(cell);
    CHECK(h + (right ? strlen(head) : 0) == c + (right ? strlen(cell) : 0));
  }
}

TEST_CASE("table: a cell that is too wide shifts the others only as far as their blanks do not make up for it") {
  const auto table = make_table({&columns[6], &columns[10], named("name"), named("fd"), named("err"), named("path")}, false);
  made_up_event e{};
  e.h.comm = {"x"};
  e.err = ev_errno{2};
  const std::string usual = print(*table, record(e, "name", "/path"));
  for (const std::size_t excess : {1, 2, 3, 4}) {  // fd has two blanks to give, and err one
    const std::string row = print(*table, record(e, std::string(24 + excess, 'n'), "/path"));
    INFO(row);
    CHECK(row.find("ENOENT") == usual.find("ENOENT") + (excess > 2 ? excess - 2 : 0));
    CHECK(row.find("/path") == usual.find("/path") + (excess > 3 ? excess - 3 : 0));
  }
  const std::string row = print(*table, record(e, std::string(60, 'n'), "/path"));
  CHECK(row.ends_with("nn 0 ENOENT /path\n"));
}

TEST_CASE("table: no line is wider than the terminal, and what is cut says so, in a pipe nothing") {
  const Columns all = all_columns();
  made_up_event e{};
  e.h.pid = ev_pid{4194304};
  e.h.comm = {"comm-of-fifteen"};
  e.err = ev_errno{ECONNREFUSED};
  const Names strings{"short", std::string(300, 'x'), std::string(150, '\n'), "/\xe6\x97\xa5\xe6\x9c\xac/" + std::string(90, 'y'),
                      std::string(40, '\\')};
  for (const Columns& chosen : {all, Columns{&columns[6], &columns[10], named("err"), named("path")}, Columns{named("path")},
                                Columns{named("path"), named("err")}}) {
    const auto table = make_table(chosen, false), coloured = make_table(chosen, true), whole = make_table(chosen, false);
    for (std::size_t screen = 4; screen < 250; screen++) {
      table->fit(screen);
      coloured->fit(screen);
      for (const std::string& text : strings) {
        const std::string bytes = record(e, text, text);
        std::string row = print(*table, bytes), full = print(*whole, bytes);
        INFO(screen << ": " << row);
        REQUIRE(std::count(row.begin(), row.end(), '\n') == 1);
        row.pop_back();
        CHECK(screen_width(row) <= screen);
        CHECK((row.empty() || row.back() != ' '));
        const bool cut = split(row) != split(full);
        CHECK(cut == (row.find("\\>") != std::string::npos));
        CHECK((!cut || screen < std::max(screen_width(full) - 1, whole->width())));
        CHECK(without_colour(print(*coloured, bytes)) == row + "\n");
        // What is left of a cell is its beginning, and no half of a character or of an escape.
        const auto cells = split(row), cells_of_full = split(full);
        for (std::size_t i = 0; i < cells.size(); i++) {
          std::string cell = cells[i];
          if (cell.ends_with("\\>")) cell.resize(cell.size() - 2);
          CHECK(cells_of_full[i].starts_with(cell));
          const std::size_t slashes = cell.size() - 1 - cell.find_last_not_of('\\');
          CHECK(slashes % 2 == 0);
          CHECK((cell.empty() || (static_cast<unsigned char>(cells_of_full[i][cell.size()]) & 0xc0) != 0x80));
        }
      }
    }
    table->fit(0);
    CHECK(print(*table, record(e, strings[1], strings[1])) == print(*whole, record(e, strings[1], strings[1])));
  }
}

TEST_CASE("table: a long cell in the middle leaves those behind it their room on a terminal") {
  const Columns chosen{&columns[6], &columns[10], named("name"), named("err"), named("path")};
  const auto table = make_table(chosen, false);
  CHECK(table->fit(80));
  CHECK_FALSE(table->fit(80));
  Buffer heading;
  table->begin(heading, {});
  made_up_event e{};
  e.err = ev_errno{2};
  const std::string row = print(*table, record(e, std::string(1242, 'n'), "/etc/passwd"));
  INFO(row);
  CHECK(row.find("ENOENT") == heading.find("ERR"));
  CHECK(row.find("/etc/passwd\n") == heading.find("PATH"));
  CHECK(table->fit(200));
  CHECK(print(*table, record(e, std::string(30, 'n'), "/etc/passwd")).find(std::string(30, 'n') + " ENOENT") !=
        std::string::npos);
}

TEST_CASE("table: colour only where asked for, and only ours") {
  for (const bool colour : {false, true}) {
    const auto table = make_table(all_columns(), colour);
    Buffer out;
    table->begin(out, {});
    made_up_event e{};
    e.err = ev_errno{2};
    out += print(*table, record(e, "\x1b[2J", "\x1b[31m"));
    CHECK(std::count(out.begin(), out.end(), '\x1b') == (colour ? 4 : 0));
  }
}

TEST_CASE("table: every error is red, and nothing else") {
  const auto table = make_table(all_columns(), true);
  made_up_event e{};
  for (const int error : {EPERM, EROFS, ERANGE, EREMOTE, ERFKILL, 512, 999}) {
    e.err = ev_errno{error};
    CHECK(print(*table, record(e, "name", "/path")).find("\x1b[31m" + text_of(e.err)) != std::string::npos);
  }
  for (const int none : {0, EV_ERRNO_UNKNOWN}) {
    e.err = ev_errno{none};
    CHECK(print(*table, record(e, "EIO", "ERR")).find('\x1b') == std::string::npos);
  }
  Buffer heading;
  table->begin(heading, {});
  CHECK(heading.find("\x1b[31m") == std::string::npos);
}

// What a column asks for is its field's affair.
static constexpr auto again = without("uid", header_columns<made_up_event>) +
                              std::array{
                                  column<&made_up_event::h, &event_header::uid>("who", "the user, under another name"),
                                  column_as<UserName, &made_up_event::h, &event_header::uid>("whose", "printed otherwise"),
                              };
static constexpr unsigned wanted(std::string_view name) { return std::ranges::find(again, name, &Column::name)->wanted; }
static_assert(wanted("who") == WANT_IDS && wanted("whose") == WANT_IDS && wanted("time") == WANT_TIME && wanted("pid") == 0);
static_assert(column<&context::cwd>("where", "the working directory").wanted == WANT_CWD);

TEST_CASE("JSON: one object a line, the keys are the columns, losses are records") {
  const auto json = make_json(all_columns());
  made_up_event e{};
  e.h.comm = {"x\ny"};
  const std::string line = print(*json, record(e, "\xff\n", ""));
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  const Json j = Json::parse(line);
  for (const Column& c : columns)
    if (c.name != "err") CHECK(j.contains(c.name));
  CHECK(j["errno"] == 0);
  CHECK(j["comm"] == "x\ny");
  CHECK(j["name_hex"] == "ff0a");
  CHECK(j["path"].is_null());
  Buffer out;
  const auto own = [&](const Json& rest) {
    Json record = Json::parse(out);
    CHECK(record["host"] == host_name());
    CHECK(std::abs(harness::time_of(record["time"]) / 1'000'000'000 - std::time(nullptr)) < 60);
    for (const char* key : {"host", "time"}) record.erase(key);
    CHECK(record == rest);
    out.clear();
  };
  json->missing(out, "lost", 3, 10);
  own({{"event", "lost"}, {"lost", 3}, {"lost_total", 10}});
  json->missing(out, "skipped", 4, 7);
  own({{"event", "skipped"}, {"skipped", 4}, {"skipped_total", 7}});
  json->end(out, {.shown = 5, .lost = 4, .skipped = 3, .replaced = 2, .why = "count"});
  own({{"event", "end"}, {"shown", 5}, {"lost", 4}, {"skipped", 3}, {"replaced", 2}, {"why", "count"}});
}

TEST_CASE("JSON: what was printed before is used again only where nothing differs") {
  const auto old = make_json(all_columns());
  std::mt19937 rng(2);
  const auto one_of = [&rng](__u32 n) { return static_cast<__u32>(rng() % n); };
  const Names names{"", "a", "b\n"};
  for (int i = 0; i < 20000; i++) {
    made_up_event e{};
    e.h.time = ev_time{one_of(3) * 1'000'000'000ull + one_of(2)};
    e.h.start = ev_start{one_of(3)};
    e.h.pid = ev_pid{one_of(200)};
    e.h.gid = ev_gid{EV_NONE64 - one_of(3)};
    names[one_of(3)].copy(e.h.comm.s, 15);
    e.h.kthread = ev_bool{one_of(2)};
    e.fd = ev_fd{static_cast<int>(one_of(3)) - 1};
    e.err = ev_errno{static_cast<int>(one_of(3))};
    e.bytes = ev_count{one_of(100)};
    const std::string bytes = record(e, names[one_of(3)], names[one_of(3)]);
    REQUIRE(print(*old, bytes) == print(*make_json(all_columns()), bytes));
  }
}

TEST_CASE("table: the first line of a file and the first of a day have date and zone") {
  setenv("TZ", "Europe/Rome", 1);
  tzset();
  // Seconds since 1970, as times of the kernel.
  const auto at = [](std::int64_t second) {
    made_up_event e{};
    e.h.time = ev_time{static_cast<__u64>(second * 1'000'000'000 + 123'456'789 - wall_clock(ev_time{}))};
    return record(e, "n", "p");
  };
  const Columns time_only{&columns[0]};
  // 2026-03-28 23:59:59, and 00:00:00; 01:59:59, when the clock is put forward to 03:00:00; the same night, and days later.
  const std::vector<std::int64_t> times{1774738799, 1774738800, 1774745999, 1774746000, 1774746001, 1775000000};
  std::string zones[2];
  for (const bool dated : {false, true}) {
    const auto table = make_table(time_only, false, dated);
    for (const std::int64_t t : times) zones[dated] += print(*table, at(t));
  }
  const std::string rest =
      "2026-03-29T00:00:00.123456+01:00\n01:59:59.123456\n2026-03-29T03:00:00.123456+02:00\n03:00:01.123456\n"
      "2026-04-01T01:33:20.123456+02:00\n";
  CHECK(zones[0] == "23:59:59.123456\n" + rest);
  CHECK(zones[1] == "2026-03-28T23:59:59.123456+01:00\n" + rest);
  const auto table = make_table(time_only, false, true);
  print(*table, at(times[0]));
  Buffer heading;
  table->begin(heading, {});
  CHECK(print(*table, at(times[0])).size() > 30);  // another file
}

TEST_CASE("summary: exact counts in bounded memory, what finds no room is one row") {
  for (const bool json : {false, true}) {
    const auto lines = [&] {
      return json ? make_json({&columns[6], columns.end() - 1}) : make_table({&columns[6], columns.end() - 1}, false);
    };
    const auto summary = make_summary(lines(), json, 0), top = make_summary(lines(), json, 2);
    Buffer out;
    for (const auto& output : {summary.get(), top.get()}) {
      output->begin(out, {});
      out.clear();
      for (int i = 0; i < 100'000; i++) {
        made_up_event e{};
        e.h.pid = ev_pid{7};
        const std::string bytes = record(e, "", i % 10 < 3 ? "/a b" : i % 10 < 5 ? "/c" : "/" + std::to_string(i));
        output->event(out, {std::as_bytes(std::span(bytes))});
      }
      CHECK(out == "");  // instead of lines
    }
    std::vector<std::string> rows[2];
    for (const bool few : {false, true}) {
      (few ? top : summary)->summary(out, 0);
      std::istringstream in(out);
      for (std::string line; std::getline(in, line);) rows[few].push_back(line);
      out.clear();
    }
    CHECK(rows[0].size() < 33'000);
    CHECK(rows[1].size() == (json ? 3 : 4));
    unsigned long long sum = 0;
    for (std::string& row : rows[0])
      if (json) {
        Json j = Json::parse(row);
        CHECK(j["event"] == "summary");
        CHECK(j["host"] == host_name());
        sum += j["count"].get<unsigned long long>();
        row = j["by"].is_null() ? "other" : j["by"]["path"];
      } else if (&row != &rows[0].front()) {
        sum += std::stoull(row);
      }
    CHECK(sum == 100'000);
    if (json) {
      CHECK(rows[0][0] == "/a b");
      CHECK(rows[0][1] == "/c");
      CHECK(rows[0].back() == "other");
      CHECK(Json::parse(rows[1][0])["by"] == Json{{"pid", 7}, {"path", "/a b"}});
      CHECK(Json::parse(rows[1][2])["count"] == 50'000);
    } else {
      CHECK(rows[1] ==
            std::vector<std::string>{"  COUNT     PID PATH", "  30000       7 /a b", "  20000       7 /c", "  50000 \\other -"});
      CHECK(rows[0].back().ends_with(" \\other -"));
      top->summary(out, 3);  // a screen of three rows
      CHECK(out ==
            "\x1b[H\x1b[?7l  COUNT     PID PATH\x1b[K\n  30000       7 /a b\x1b[K\n  70000 \\other -\x1b[K\n\x1b[?7h\x1b[J");
    }
  }
}

TEST_CASE("columns: usual, listed, added, all") {
  CHECK(parse({}).names() == Names{"pid", "comm", "fd", "err", "name", "path"});
  CHECK(parse({"-o", "path,pid"}).names() == Names{"path", "pid"});
  CHECK(parse({"-o", "path", "-o", "pid,path"}).names() == Names{"path", "pid"});
  CHECK(parse({"-o", "+time"}).names() == Names{"time", "pid", "comm", "fd", "err", "name", "path"});
  CHECK(parse({"-T", "-U"}).names() == Names{"time", "uid", "pid", "comm", "fd", "err", "name", "path"});
  CHECK(parse({"-o", "path", "-T"}).names() == Names{"path", "time"});
  CHECK(parse({"-e"}).names().size() == columns.size());
  CHECK(parse({"-j"}).names().size() == columns.size());
  CHECK(parse({"-j", "-o", "pid"}).names() == Names{"pid"});
  CHECK(parse({"-o", "nope"}).error.find("--columns: there is no column 'nope'; ") == 0);
  CHECK(parse({"-o", "+nope"}).error.find("nope") != std::string::npos);
  CHECK(parse({"-o", ""}).error != "");
}

TEST_CASE("filters: one value is compared, several are looked up") {
  const std::string me = std::to_string(getpid());
  const Parsed one = parse({"-p", me + "," + me, "-u", "0", "-n", "abc", "-x"});
  CHECK(one.error == "");
  CHECK(one.o.filter.set == FILTER_FAILED);
  CHECK(one.o.filter.lists[LIST_PID].count == 1);
  CHECK(one.o.filter.lists[LIST_PID].first == static_cast<unsigned>(getpid()));
  CHECK(one.o.filter.lists[LIST_TID].count == 0);
  CHECK(one.o.filter.names == 1);
  CHECK(one.o.filter.name[0].bytes[0] == 0x636261);
  CHECK(one.o.filter.name[0].mask[0] == 0xffffff);
  CHECK(one.o.filter.name[0].mask[1] == 0);
  const Parsed two =
      parse({"-p", me + ",1", "-u", "0", "-u", "nobody,0", "--exclude-uid", "0", "--exclude-comm", "a", "--exclude-comm", "b"});
  CHECK(two.error == "");
  CHECK(two.o.filter.lists[LIST_PID].count == 2);
  CHECK(two.o.filter.lists[LIST_UID].count == 2);
  CHECK(two.o.filter.lists[LIST_NOT_UID].count == 1);
  CHECK(two.o.filter.names == 0);
  CHECK(two.o.filter.not_names == 2);
  std::vector<std::pair<unsigned, unsigned>> listed;
  for (const ::listed& l : two.o.listed) listed.emplace_back(l.list, l.value);
  std::sort(listed.begin(), listed.end());
  CHECK(listed ==
        std::vector<std::pair<unsigned, unsigned>>{
            {LIST_PID, 1}, {LIST_PID, static_cast<unsigned>(getpid())}, {LIST_UID, 0}, {LIST_UID, 65534}, {LIST_NOT_UID, 0}});
}

TEST_CASE("filters: what makes no sense is told with the option and a way out") {
  for (const auto& [args, says] : std::vector<std::pair<Names, std::string>>{
           {{"--tree", "0"}, "--tree: '0' is not a process id; give a number, as in --tree 1234"},
           {{"--tree", "4194305"}, "--tree: there is no process 4194305; ps -e lists them"},
           {{"--session", "x"}, "--session: 'x' is not a session id; give the process id of its leader, as ps -o sid prints it"},
           {{"--pid-ns", "x"}, "--pid-ns: 'x' is neither a namespace nor a process id; give a number of lsns -t pid"},
           {{"--pid-ns", "4194305"},
            "--pid-ns: cannot see the pid namespace of process 4194305: No such file or directory; give a number of lsns -t pid"},
           {{"--exclude-uid", "nosuchuser"},
            "--exclude-uid: there is no user 'nosuchuser' in /etc/passwd; give one that is, or a number"},
           {{"--exclude-comm", ""}, "--exclude-comm: '' has 0 bytes; process names have 1 to 15"},
           {{"ls"}, "'ls' is no option; to trace a command, write "},
           {{"--nonesuch"}, "there is no option --nonesuch; see "},
           {{"--"}, "--: give a command behind it, as in "},
           {{"--run-as", "root"}, "--run-as: there is no command to run; give it behind --"}}) {
    const std::string error = parse(args).error;
    INFO(error);
    CHECK(error.starts_with(says));
  }
  Names many;
  for (int i = 0; i < 9; i++) many.insert(many.end(), {"-n", "x"});
  CHECK(parse(many).error == "--comm: more than 8 names");
}

TEST_CASE("a command is what stands behind --") {
  const Parsed p = parse({"-x", "--", "ls", "-l", "--", "--help"});
  CHECK(p.error == "");
  CHECK(p.o.command == Names{"ls", "-l", "--", "--help"});
  CHECK(p.o.filter.set == (FILTER_FAILED | FILTER_TREE | FILTER_COMMAND));
  CHECK(parse({"-x"}).o.command.empty());
}

TEST_CASE("options: the tool's own, sizes and times") {
  const Parsed p = parse({"--own", "a", "-w", "--own", "b", "--buffer", "64K", "-d", "0.5", "--count", "7"});
  CHECK(p.error == "");
  REQUIRE(p.o.own.size() == 3);
  CHECK(p.o.buffer == 65536);
  CHECK(p.o.duration == 0.5);
  CHECK(p.o.count == 7);
  CHECK(p.o.remarks == Names{"a", "b"});
  CHECK(parse({"--buffer", "1M"}).o.buffer == 1u << 20);
  CHECK(parse({"--buffer", "8192"}).o.buffer == 8192);
}
