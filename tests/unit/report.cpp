// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What recorded JSON adds up to, whatever stands between the lines.
#include "harness.h"
#include "report/pages.h"
#include "report/records.h"
#include "report/report.h"

#include <fstream>
#include <sstream>

using namespace needle;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Story story_of(std::string_view text) {
  Story s;
  s.new_file();
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) s.line(line);
  s.finish();
  return s;
}

std::string event(std::uint64_t pid, std::string_view more, int second = 0) {
  return "{\"time\":\"2026-11-28T00:00:0" + std::to_string(second) +
         ".000000000Z\",\"event\":\"open\",\"host\":\"h\",\"pid\":" + std::to_string(pid) + "," + std::string(more) + "}\n";
}

const Process& process(const Story& s, std::uint64_t pid, std::size_t nth = 0) {
  for (const Process& p : s.processes)
    if (p.pid == pid && nth-- == 0) return p;
  FAIL("there is no process " << pid);
  std::abort();
}

std::string html_of(const Story& s) {
  Buffer out;
  put_html_report(out, s, 1);
  return out;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

// Recorded by execsnoop, connectsnoop and chmodsnoop: a server, a shell that fetches a file, makes it executable and runs
// it. Lines of others, cut lines, and those of a host with hostile names were put in.
TEST_CASE("report: a recorded incident, as text") {
  Buffer out;
  put_report(out, story_of(slurp(GOLDEN "/incident.jsonl")), 1, false);
  CHECK(out == slurp(GOLDEN "/incident.txt"));
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) CHECK(screen_width(line) <= 80);
}

TEST_CASE("report: no name acts on the page of HTML, and nothing is fetched") {
  const std::string page = html_of(story_of(slurp(GOLDEN "/incident.jsonl")));
  CHECK(has(page, "/srv/&lt;script&gt;alert(1)&lt;/script&gt;"));
  CHECK(has(page, "/srv/&quot;onload=&#39;x&#39;"));
  CHECK(has(page, "77 &lt;b&gt;"));
  CHECK(has(page, "\\xe2\\x80\\xaetxt.exe"));
  CHECK(has(page, "/srv/a\\nb"));
  CHECK_FALSE(has(page, "<script>alert"));
  CHECK_FALSE(has(page, "\xe2\x80\xae"));
  for (const char* fetched : {" src=", "<link", "url(", "@import", "fetch("}) CHECK_FALSE(has(page, fetched));
  CHECK(has(page, "default-src 'none'"));
}

TEST_CASE("report: a process is its host, boot, id and start") {
  const Story s =
      story_of("{\"event\":\"start\",\"time\":\"2026-11-28T00:00:00.000000000Z\",\"host\":\"h\",\"boot_id\":\"one\"}\n" +
               event(5, "\"start\":1") + event(5, "\"start\":2") + event(5, "\"start\":2") +
               "{\"event\":\"start\",\"time\":\"2026-11-28T00:00:00.000000000Z\",\"host\":\"h\",\"boot_id\":\"two\"}\n" +
               event(5, "\"start\":2"));
  REQUIRE(s.processes.size() == 3);
  CHECK(s.processes[1].count == 2);
  CHECK(s.processes[2].boot == 1);
}

TEST_CASE("report: what has no start or ppid finds its place, marked as a guess") {
  const Story s = story_of(event(1, "\"start\":1") + event(5, "\"start\":10,\"ppid\":1") + event(5, "\"path\":\"x\"") +
                           event(7, "\"ppid\":5") + event(8, "\"start\":30"));
  CHECK(process(s, 5).guessed);
  CHECK(process(s, 5).count == 2);
  CHECK_FALSE(process(s, 5).guessed_parent);
  CHECK(process(s, 7).guessed_parent);
  CHECK(process(s, 5).children.size() == 1);
  Buffer out;
  put_report(out, s, 1, true);
  CHECK(has(out, "guessed"));
  CHECK(has(out, "parent not told"));
}

TEST_CASE("report: of processes that had the parent's id, the one that was there is taken") {
  const Story s = story_of(event(5, "\"start\":10") + event(5, "\"start\":50") + event(6, "\"start\":20,\"ppid\":5"));
  CHECK(process(s, 5, 0).children.size() == 1);
  CHECK(process(s, 5, 1).children.empty());
}

TEST_CASE("report: parents that go round in a circle") {
  const Story s = story_of(event(5, "\"ppid\":6") + event(6, "\"ppid\":5") + event(7, "\"ppid\":7"));
  Buffer out;
  put_report(out, s, 1, true);
  for (const char* name : {"5 -", "6 -", "7 -"}) CHECK(has(out, name));
}

TEST_CASE("report: a line that is cut off does not take the next one with it") {
  const std::string whole = event(5, "\"start\":1");
  const Story s = story_of(whole.substr(0, 40) + whole + "\n" + whole.substr(0, 60));
  CHECK(s.broken == 2);
  CHECK(s.all.count == 1);
}

TEST_CASE("report: what is too much is counted, and said") {
  std::string text;
  for (std::size_t i = 1; i <= Story::kObjectsEach + 5; i++) text += event(1, "\"path\":\"/" + std::to_string(i) + "\"");
  for (std::size_t i = 2; i <= Story::kProcesses + 3; i++) text += event(i, "\"start\":1");
  text += event(1, "\"path\":\"" + std::string(5000, 'x') + "\"");
  const Story s = story_of(text);
  CHECK(s.processes.size() == Story::kProcesses);
  CHECK(s.without_process == 3);
  CHECK(process(s, 1).deeds.front().other == 6);
  std::uint64_t sum = s.without_process;
  for (const Process& p : s.processes) sum += p.count;
  CHECK(sum == s.all.count);
  Buffer out;
  put_report(out, s, 1, true);
  CHECK(has(out, "3 events not in the tree"));
  CHECK(has(out, "6 of others, not kept"));
}

std::string record(std::string_view event, std::string_view more) {
  return "{\"event\":\"" + std::string(event) + "\",\"time\":\"2026-11-28T00:00:00.000000000Z\",\"host\":\"h\"," +
         std::string(more) + "}\n";
}

TEST_CASE("report: what a tool has shown and is not in its file is told") {
  const std::string start = record("start", R"("part":1)"), one = event(5, "\"start\":1"), end = record("end", R"("shown":3)");
  CHECK(story_of(start + one + one + one + end).hosts[0].missing == 0);
  const Story s = story_of(start + one + end);
  CHECK(s.hosts[0].missing == 2);
  Buffer out;
  put_report(out, s, 1, false);
  CHECK(has(out, "MISSING on h: 2 events"));
  CHECK(story_of(start + start + one + end + end).hosts[0].missing == 0);             // two streams in one file: nobody knows
  CHECK(story_of(record("start", R"("part":2)") + one + end).hosts[0].missing == 0);  // what is before is in another
}

TEST_CASE("report: a file that does not say its boot is put to the last one that had begun, and that is said") {
  Story s;
  const auto read = [&s](const std::string& text) {
    s.new_file();
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) s.line(line);
  };
  const auto start = [](int second, const char* boot) {
    return "{\"event\":\"start\",\"time\":\"2026-11-28T00:00:0" + std::to_string(second) +
           ".000000000Z\",\"host\":\"h\",\"boot_id\":\"" + boot + "\"}\n";
  };
  read(start(1, "one") + event(5, "\"start\":1", 2));
  read(start(4, "two") + event(5, "\"start\":1", 5));
  read(event(5, "\"start\":1", 3) + event(5, "\"start\":1", 6));
  s.finish();
  REQUIRE(s.processes.size() == 2);
  CHECK(s.processes[0].count == 2);
  CHECK(s.processes[1].count == 2);
  Buffer out;
  put_report(out, s, 3, false);
  CHECK(has(out, "BOOT on h: guessed by the time of 2 events"));
}

TEST_CASE("report: more arguments than are kept have a mark, and how a process ended stands there") {
  std::string args = "\"start\":1,\"args\":[\"x\"";
  for (int i = 0; i < 70; i++) args += ",\"x\"";
  ReportLine l;
  std::string line = event(5, args + "]");
  REQUIRE(read_report_line(line, l) == LineKind::event);
  CHECK(l.object.ends_with("x x ..."));
  line = record("exit", R"("pid":5,"exit":137,"code":null,"signal":"SIGKILL","core":false)");
  REQUIRE(read_report_line(line, l) == LineKind::event);
  CHECK(l.object == "SIGKILL");
  line = record("exit", R"("pid":5,"exit":3,"code":3,"signal":null,"core":false)");
  REQUIRE(read_report_line(line, l) == LineKind::event);
  CHECK(l.object == "3");
}

TEST_CASE("report: times of RFC 3339, and what is none") {
  CHECK(parse_rfc3339("1970-01-02T00:00:01.000000002Z") == 86'401'000'000'002);
  for (const char* none : {"", "2026-11-28", "2026-13-01T00:00:00.000000000Z", "2026-11-28T25:00:00Z", "2026-11-28T00:00:00"})
    CHECK_FALSE(parse_rfc3339(none));
}

TEST_CASE("report: a file that is not there, and none given") {
  char name[] = "needle report", file[] = "/nonexistent/file";
  char* one[] = {name, file, nullptr};
  CHECK(report_main(2, one) == 1);
  CHECK(report_main(1, one) == 2);
}
