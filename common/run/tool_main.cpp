// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/tool_main.h"

#include "run/command.h"
#include "run/message.h"
#include "run/options.h"
#include "run/privileges.h"
#include "run/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>

namespace needle {
namespace {

// What libbpf has to say, the verifier's log included: shown by -v if the tool fails. Programs that
// are merely tried fail as well.
std::string libbpf_log;

int keep_libbpf_log(enum libbpf_print_level level, const char* format, va_list args) {
  char* line = nullptr;
  if (level > LIBBPF_WARN || vasprintf(&line, format, args) < 0) return 0;
  libbpf_log += line;
  if (constexpr std::size_t kKept = 1u << 16; libbpf_log.size() > kKept) libbpf_log.erase(0, libbpf_log.size() - kKept);
  free(line);
  return 0;
}

// A descriptor 0 or 2 that is closed would be given to the next file opened; a closed 1 is an error.
void check_standard_files() {
  for (const int fd : {STDIN_FILENO, STDERR_FILENO})
    if (fcntl(fd, F_GETFD) < 0) {
      int null = open("/dev/null", O_RDWR);
      if (null < 0) null = open("/", O_PATH);  // no /dev: what can neither be read nor written
      if (null >= 0 && null != fd) (dup2(null, fd), close(null));
    }
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0) throw Error("standard output is closed");
}

int run(const Tool& tool, int argc, char** argv, std::span<const Tool* const> several, Options& options) {
  std::optional<Selection> selection;
  if (!several.empty()) selection.emplace(several);
  if (const int status = parse_options(tool, argc, argv, options, selection ? &*selection : nullptr); status >= 0) {
    if (std::fflush(stdout) != 0) throw Error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
    return status;
  }
  check_standard_files();
  check_privileges(tool.name);
  std::optional<Command> command;
  if (!options.command.empty()) command.emplace(options.command, options.run_as);
  const std::vector<Traced> traced = selection ? selection->traced(options) : std::vector<Traced>{{&tool, options}};
  Session(tool, options, traced, command ? &*command : nullptr).run();
  if (command) exit_like(command->wait());
  return 0;
}

}  // namespace

int tool_main(const Tool& tool, int argc, char** argv, std::span<const Tool* const> several) {
  libbpf_set_print(keep_libbpf_log);
  speak_as(tool.name);
  Options options;
  try {
    return run(tool, argc, argv, several, options);
  } catch (const std::exception& e) {
    const auto* error = dynamic_cast<const Error*>(&e);
    const bool usage = dynamic_cast<const BadUsage*>(&e);
    if (options.verbose && !usage) say_raw(libbpf_log);
    Buffer line;  // may quote what was given: still one line
    put_text(line, e.what(), Blanks::single);
    say(line);
    return usage ? 2 : error ? error->status : 1;
  }
}

}  // namespace needle
