// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// All tools in one program: their events in one stream, or any one of them by its name.
#include "report/report.h"
#include "run/tool_main.h"
#include "tools.h"

#include <algorithm>
#include <cstring>
#include <utility>

using namespace needle;

namespace {

struct any_event {
  event_header h;
};

// What the tool of the event has for it.
void put_err(Buffer& out, const Record& r, Blanks b) {
  if (r.tool && r.tool->err) r.tool->err->text(out, r, b);
  else out.push_back('-');
}
void put_err_json(Buffer& out, std::string_view key, const Record& r) {
  if (r.tool && r.tool->err) r.tool->err->json(out, key, r);
  else Format<ev_errno>::json(out, key, ev_errno{});
}
// Each part but the last is one word.
void put_what(Buffer& out, const Record& r, Blanks b) {
  const std::size_t start = out.size();
  const std::span<const Phrase> parts = r.tool ? r.tool->timeline.what : std::span<const Phrase>{};
  for (const Phrase& part : parts) {
    const std::size_t before = out.size();
    if (before > start) out += part.before;
    const std::size_t at = out.size();
    part.column.text(out, r, &part == &parts.back() ? b : Blanks::escaped);
    if (std::string_view(out).substr(at) == "-") out.resize(before);
    else out += part.after;
  }
  if (out.size() == start) out.push_back('-');
}
void put_what_json(Buffer& out, std::string_view key, const Record& r) {
  Buffer text;
  put_what(text, r, Blanks::single);
  put_json_member(out, key, text);
}

constexpr auto columns = [] {
  auto all = shown_last(header_columns<any_event>, "event") + context_columns +
             std::array{
                 Column{"err", "why it failed", 6, 0, Align::left, true, false, 0, put_err, put_err_json, nullptr, Part::fields},
                 Column{"what", "what was done, in a sentence of the event's own columns", 24, 8, Align::left, true, false, 0,
                        put_what, put_what_json, nullptr, Part::fields},
             };
  for (Column& c : all) {
    if (c.name == "time") c.shown = true;
    if (c.name == "comm") c.width = 10;
    if (c.name == "event") c.width = 7;
  }
  return all;
}();

constexpr Tool stream = {
    .name = "needle",
    .event = "",
    .about = "Trace what processes do in one stream: what they run, open, change, connect to.",
    .examples =
        "needle\teverything of the usual set, as it happens\n"
        "needle exec,connect -p 4711\twhat one process runs and connects to\n"
        "needle -- ./configure\ta command and all that it starts\n"
        "needle open --path /etc/ -w , connect --port 443\toptions of each event behind it\n"
        "needle opensnoop -x\tone of the tools\n"
        "needle --container web -j\tas JSON, each object as its tool prints it\n"
        "needle report web.jsonl --html web.html\twhat that adds up to, for a ticket\n",
    .operands = " [EVENT,... [OPTIONS] [, ...]]",
    .event_size = sizeof(any_event),
    .columns = columns,
    .timeline = {},
    .err = nullptr,
    .options = {},
    .trials = {},
    .blind = {},
    .open = nullptr,
};

// "needle-opensnoop" is what packages call one.
const Tool* tool_called(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.starts_with("needle-")) name.remove_prefix(std::strlen("needle-"));
  const auto found = std::ranges::find(kTools, name, &Tool::name);
  return found == std::end(kTools) ? nullptr : *found;
}

}  // namespace

// By a link called as a tool, or with a tool's name as its first argument, it is that tool.
int main(int argc, char** argv) {
  if (argc > 0)
    if (const Tool* const tool = tool_called(argv[0])) return tool_main(*tool, argc, argv);
  if (argc > 1 && argv[1] == std::string_view("report")) return report_main(argc - 1, argv + 1);
  if (argc > 1)
    if (const Tool* const tool = tool_called(argv[1])) return tool_main(*tool, argc - 1, argv + 1);
  // Of the words behind --complete the last is being typed.
  if (argc > 3 && argv[1] == std::string_view("--complete"))
    if (const Tool* const tool = tool_called(argv[2])) {
      std::swap(argv[1], argv[2]);
      return tool_main(*tool, argc - 1, argv + 1);
    }
  return tool_main(stream, argc, argv, kTools);
}
