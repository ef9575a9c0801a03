// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/report.h"

#include "error.h"
#include "report/pages.h"
#include "run/message.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace needle {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Lines of any length, of which at most kLine bytes are held.
void read(const std::string& name, Story& story) {
  constexpr std::size_t kBlock = 1u << 18, kLine = 1u << 20;
  const bool standard = name == "-";
  const File file(standard ? stdin : std::fopen(name.c_str(), "re"),
                  [](std::FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  if (!file) throw Error(fmt::format("{}: {}", name, std::strerror(errno)));
  story.new_file();
  std::string line, block(kBlock, '\0');
  bool over = false;
  const auto end_line = [&](std::string_view rest) {
    if (over || line.size() + rest.size() > kLine) story.too_long();
    else if (line.empty()) story.line(rest);
    else story.line(line.append(rest));
    line.clear();
    over = false;
  };
  while (const std::size_t n = std::fread(block.data(), 1, kBlock, file.get())) {
    std::string_view left(block.data(), n);
    for (std::size_t at; (at = left.find('\n')) != left.npos; left.remove_prefix(at + 1)) end_line(left.substr(0, at));
    over = over || line.size() + left.size() > kLine;
    if (over) line.clear();
    else line.append(left);
  }
  if (std::ferror(file.get())) throw Error(fmt::format("{}: {}", name, std::strerror(errno)));
  if (over || !line.empty()) end_line("");
}

void write(const std::string& name, const Buffer& text) {
  const bool standard = name == "-";
  const File file(standard ? stdout : std::fopen(name.c_str(), "we"), [](std::FILE*) { return 0; });
  const std::string shown = standard ? "standard output" : name;
  if (!file) throw Error(fmt::format("cannot write to {}: {}", shown, std::strerror(errno)));
  const bool failed = std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0;
  const int error = errno;
  if (!standard) std::fclose(file.get());
  if (failed && error != EPIPE) throw Error(fmt::format("cannot write to {}: {}", shown, std::strerror(error)));
}

int run(int argc, char** argv) {
  std::vector<std::string> files;
  std::string html;
  bool wide = false;
  CLI::App app("Tell from recorded JSON of the tools, also of several hosts, what each process did.", "needle report");
  app.add_option("FILE", files, "what a tool printed with -j; - is standard input")->required();
  app.add_option("--html", html, "write one page of HTML to this file instead; - is standard output")->type_name("FILE");
  app.add_flag("--wide", wide, "do not cut lines to 80 columns");
  app.set_help_flag("-h,--help", "this help");
  app.footer("Example: needle -j > web.jsonl; needle report web.jsonl --html web.html");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    write("-", app.help());
    return 0;
  } catch (const CLI::ParseError& e) {
    if (files.empty() && argc < 2) throw BadUsage("no file is given; give what a tool printed with -j, or - for standard input");
    throw BadUsage(std::string(e.what()) + "; see needle report --help");
  }
  Story story;
  for (const std::string& file : files) read(file, story);
  story.finish();
  Buffer out;
  if (html.empty()) put_report(out, story, files.size(), wide);
  else put_html_report(out, story, files.size());
  write(html.empty() ? "-" : html, out);
  return 0;
}

}  // namespace

int report_main(int argc, char** argv) {
  speak_as("needle report");
  signal(SIGPIPE, SIG_IGN);  // a reader that has seen enough, as head(1)
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    const auto* error = dynamic_cast<const Error*>(&e);
    Buffer line;
    put_text(line, e.what(), Blanks::single);
    say(line);
    return dynamic_cast<const BadUsage*>(&e) ? 2 : error ? error->status : 1;
  }
}

}  // namespace needle
