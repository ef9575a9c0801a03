// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// That columns show what is so: no deed here is one of root's, or of the test's own process, and no value is 0.
#include "deeds.h"
#include "exec.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sstream>

using namespace harness;

namespace {

void become_user() {
  check(setgroups(0, nullptr), "setgroups");
  check(setresgid(kTableGroup, kTableGroup, kTableGroup), "setresgid");
  check(setresuid(kTableUser, kTableUser, kTableUser), "setresuid");
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

// By --help.
std::vector<std::string> columns_of(const std::string& tool) {
  std::istringstream help(run_tool(tool, {"--help"}).out);
  std::vector<std::string> all;
  bool columns = false;
  for (std::string line; std::getline(help, line);) {
    if (!line.starts_with(" ")) columns = line.starts_with("Columns");
    if (!columns || line.size() < 3 || line[2] == ' ' || !line.starts_with("  ")) continue;
    std::string name = words_of(line)[0];
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    all.push_back(name);
  }
  return all;
}

// In seconds.
double time_like(const Json& j) {
  return j.is_string() ? static_cast<double>(time_of(j)) / 1e9 : j.is_number() ? j.get<double>() / 1e3 : -1;
}

}  // namespace

TEST_CASE("the usual table of each tool, of a user other than root: every column") {
  const TempDir dir;
  const std::string file = dir.file("file", "x", 0644);
  check(chown(file.c_str(), kTableUser, kTableGroup), "chown");
  check(chmod(dir.path().c_str(), 0711), "chmod");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    const Table table = deed_of(tool).table(dir);
    for (const std::string& tier : tiers(tool)) {
      INFO(tier);
      check(chmod(file.c_str(), 0644), "chmod");
      const auto deeds = [&] {
        check(prctl(PR_SET_NAME, "some one"), "PR_SET_NAME");
        become_user();
        table.deeds();
      };
      pid_t pid = -1;
      std::vector<std::string> lines;
      if (table.executes) {
        const Executed done = executed(Args{"--hook", tier}, deeds);
        pid = done.pid;
        lines = done.lines;
      } else {
        Actor actor([&](Json&) { deeds(); });
        Tracer tracer(tool, {"--hook", tier, "-p", actor.id()});
        pid = actor.pid();
        actor.act();
        tracer.stop();
        CHECK(words_of(tracer.out().substr(0, tracer.out().find('\n'))) == words_of(table.heading));
        lines = tracer.lines();
      }
      std::vector<std::vector<std::string>> expected = table.rows;
      REQUIRE(lines.size() == expected.size());
      for (std::size_t i = 0; i < lines.size(); i++) {
        INFO(lines[i]);
        std::vector<std::string> cells = words_of(lines[i]);
        expected[i].insert(expected[i].begin(),
                           {std::to_string(pid), table.executes && i + 1 == lines.size() ? "program" : "some\\x20one"});
        REQUIRE(cells.size() == expected[i].size());
        for (std::size_t j = 0; j < cells.size(); j++) {
          if (expected[i][j] == "*")
            for (const char* nothing : {"-", "?", "0", "0.000"}) CHECK(cells[j] != nothing);
          else CHECK(cells[j] == expected[i][j]);
        }
      }
    }
  }
}

// Whether data is gathered depends on the columns that are shown.
TEST_CASE("each column alone shows what it shows among all others") {
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    const TempDir dir;
    const std::string file = dir.file("file"), name = "cols." + std::to_string(getpid() % 1000000);
    check(chown(file.c_str(), kTableUser, kTableGroup), "chown");
    check(chmod(dir.path().c_str(), 0711), "chmod");
    Tracer all(tool, {"-j", "-e", "-n", name});
    std::vector<std::string> columns;
    std::vector<Json> alone;
    for (const std::string& column : columns_of(tool)) {
      Actor actor([&](Json&) {
        check(prctl(PR_SET_NAME, name.c_str()), "PR_SET_NAME");
        become_user();
        check(chdir("/tmp"), "chdir");
        deed_for(tool, file);
      });
      Tracer one(tool, {"-j", "-o", column, "-p", actor.id()});
      const auto events = trace(one, actor);
      INFO(column);
      REQUIRE(events.size() == 1);
      columns.push_back(column);
      alone.push_back(events[0]);
    }
    all.stop();
    const auto events = all.events();
    REQUIRE(events.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); i++) {
      INFO(columns[i]);
      CHECK(!alone[i].empty());
      for (const auto& [key, value] : alone[i].items()) {
        if (std::ranges::find(deed_of(tool).varies, key) != deed_of(tool).varies.end()) continue;
        if (key == "sha256") continue;  // not known at once
        // Each tracer takes the time itself.
        if (key == "time" || key == "started" || key == "ms") CHECK(std::abs(time_like(events[i][key]) - time_like(value)) < 0.1);
        else CHECK(events[i][key] == value);
      }
    }
  }
}
