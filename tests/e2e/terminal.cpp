// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Tables on a terminal: its width, also when that changes, and colour.
#include "deeds.h"
#include "harness.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <sstream>
#include <thread>

using namespace harness;

namespace {

// A program on a terminal of its own, which adds a carriage return to each line.
class OnTerminal {
 public:
  OnTerminal(const Args& argv, unsigned short columns, const char* term) {
    winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = static_cast<pid_t>(check(forkpty(&fd_, nullptr, nullptr, &size), "forkpty"));
    if (pid_ == 0) {
      setenv("TERM", term, 1);
      unsetenv("NO_COLOR");
      std::vector<char*> words;
      for (const std::string& a : argv) words.push_back(const_cast<char*>(a.c_str()));
      words.push_back(nullptr);
      execv(words[0], words.data());
      _exit(127);
    }
    reader_ = std::thread([this] {
      char bytes[4096];
      for (ssize_t n; (n = read(fd_, bytes, sizeof bytes)) > 0;) {
        const std::lock_guard lock(mutex_);
        text_.append(bytes, static_cast<std::size_t>(n));
      }
    });
  }
  ~OnTerminal() {
    if (pid_ > 0) stop();
    close(fd_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  // Waits until so many lines hold `part`; the last of them, without its end. FAILs after 30 seconds.
  std::string wait_for(const std::string& part, std::size_t times = 1) {
    for (int i = 0; i < 3000; i++) {
      std::size_t found = 0;
      for (const std::string& line : lines())
        if (line.find(part) != std::string::npos && ++found == times) return line;
      usleep(10000);
    }
    FAIL("no '" << part << "' in: " << text());
    return {};
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  // The whole ones so far.
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    std::istringstream in(text());
    for (std::string line; std::getline(in, line);)
      if (!in.eof()) all.push_back(line.substr(0, line.find('\r')));
    return all;
  }
  void resize(unsigned short columns) {
    winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    check(ioctl(fd_, TIOCSWINSZ, &size), "TIOCSWINSZ");
  }
  int stop() {
    kill(pid_, SIGINT);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    reader_.join();  // the terminal hangs up with its last process
    return status;
  }

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  std::mutex mutex_;
  std::string text_;
  std::thread reader_;
};

std::function<void(Json&)> deed(const std::string& tool, const std::string& path) {
  return [=](Json&) { deed_for(tool, path); };
}

}  // namespace

TEST_CASE("terminal: no line is wider, also after its size has changed, but with --wide, and in a pipe nothing is cut") {
  TempDir dir;
  const std::string name = std::string(200, 'n') + "-end", path = dir.file(name);
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Actor piped(deed(tool, path)), wide(deed(tool, path)), first(deed(tool, path)), second(deed(tool, path));
    const std::string wide_id = wide.id() + ' ', first_id = first.id() + ' ', second_id = second.id() + ' ';
    const std::string columns = "+lineage,+time,+exe,+user,+via,+src";
    Tracer in_pipe(tool, {"-p", piped.id(), "-o", columns});
    piped.act();
    in_pipe.stop();
    REQUIRE(in_pipe.lines().size() == 1);
    const std::string whole = in_pipe.lines()[0];
    CHECK(whole.find("\\>") == std::string::npos);
    CHECK(whole.size() > 120);

    OnTerminal uncut({tool_path(tool), "-p", wide.id(), "-o", columns, "--wide"}, 80, "dumb");
    uncut.wait_for("tracing");
    wide.act();
    CHECK(uncut.wait_for(wide_id).size() > 120);
    uncut.stop();

    OnTerminal terminal({tool_path(tool), "-p", first.id() + "," + second.id(), "-o", columns}, 80, "dumb");
    terminal.wait_for("tracing");
    first.act();
    const std::string cut = terminal.wait_for(first_id);
    INFO(cut);
    CHECK(cut.size() <= 80);
    CHECK(cut.find("\\>") != std::string::npos);
    terminal.resize(120);
    const std::string heading = terminal.wait_for(" PID ", 2);
    CHECK((heading.size() > 80 && heading.size() <= 120));
    second.act();
    const std::string longer = terminal.wait_for(second_id);
    CHECK((longer.size() > 80 && longer.size() <= 120));
    terminal.stop();
    for (const std::string& line : terminal.lines())
      if (!line.starts_with(tool + ": ")) CHECK(line.size() <= 120);
  }
}

TEST_CASE("terminal: colour on one that knows it, not on a dumb one") {
  for (const auto& [term, coloured] : {std::pair{"xterm", true}, {"dumb", false}}) {
    OnTerminal terminal({tool_path("opensnoop"), "--count", "1", "-x", "-p", std::to_string(getpid())}, 80, term);
    INFO(term);
    CHECK((terminal.wait_for(" PID ").find('\x1b') != std::string::npos) == coloured);
    close(open("/nonesuch", O_RDONLY));
    CHECK((terminal.wait_for("ENOENT").find('\x1b') != std::string::npos) == coloured);
    CHECK(WEXITSTATUS(terminal.stop()) == 0);
  }
}
