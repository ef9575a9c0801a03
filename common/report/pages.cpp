// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/pages.h"

#include "print/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace needle {
namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kIndented = 12;  // levels; deeper ones say how deep they are

std::string stamp(std::int64_t time) {  // 2026-11-28T20:28:23.065190555Z
  Buffer out;
  put_rfc3339(out, time);
  return out;
}
std::string date_of(std::int64_t time) { return stamp(time).substr(0, 10); }
std::string clock_of(std::int64_t time) { return stamp(time).substr(11, 12); }

std::string span_of(const Times& t, bool dated) {
  const auto one = [dated](std::int64_t time) { return (dated ? date_of(time) + " " : "") + clock_of(time); };
  return t.first == t.last ? one(t.first) : one(t.first) + " - " + one(t.last);
}

std::string text_of(std::string_view s) {
  Buffer out;
  put_text(out, s, Blanks::single);
  return out;
}

std::string count_of(std::uint64_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }
std::string times_of(const Times& t) {
  return t.failed ? fmt::format("{} ({} failed)", t.count, t.failed) : std::to_string(t.count);
}

bool dated(const Story& s) { return s.all.count && date_of(s.all.first) != date_of(s.all.last); }

// What the reader has to know before the tree.
std::vector<std::string> head_of(const Story& s, std::size_t files) {
  std::vector<std::string> head;
  const auto seen = std::ranges::count_if(s.processes, &Process::seen);
  head.push_back(fmt::format("{} of {} on {}, from {} in {}", count_of(s.all.count, "event"),
                             seen == 1 ? "1 process" : fmt::format("{} processes", seen), count_of(s.hosts.size(), "host"),
                             count_of(s.lines, "line"), count_of(files, "file")));
  if (s.all.count) head.push_back(span_of(s.all, true) + " (UTC)");
  for (const Host& h : s.hosts) {
    const std::string at = h.name.empty() ? "" : " on " + text_of(h.name);
    if (h.lost) head.push_back(fmt::format("LOST{}: {}, which the tools could not deliver", at, count_of(h.lost, "event")));
    if (h.missing) head.push_back(fmt::format("MISSING{}: {}, which a tool says it has shown", at, count_of(h.missing, "event")));
    if (h.guessed_boot && h.boots.size() > 1)
      head.push_back(fmt::format("BOOT{}: guessed by the time of {}, of files without a start record", at,
                                 count_of(h.guessed_boot, "event")));
    if (h.skipped) head.push_back(fmt::format("SKIPPED{}: {} of the tools' programs", at, count_of(h.skipped, "run")));
    if (h.replaced) head.push_back(fmt::format("REPLACED{}: hooks, {}", at, count_of(h.replaced, "time")));
  }
  const auto tell = [&](std::uint64_t n, std::string_view what, std::string_view why) {
    if (n) head.push_back(count_of(n, what) + " " + std::string(why));
  };
  tell(s.own, "line", "of the tools themselves: starts, ends, losses, summaries");
  tell(s.foreign, "line", "passed over: not of these tools");
  tell(s.broken, "line", "broken: cut off, or no JSON");
  tell(s.long_lines, "line", "passed over: longer than 1 MiB");
  tell(s.without_process, "event",
       fmt::format("not in the tree: of more than {} processes or {} hosts", Story::kProcesses, Story::kHosts));
  tell(s.cut, "name", fmt::format("shortened to {} bytes", Story::kBytes));
  return head;
}

std::string remark_of(const Process& p) {
  std::string remark;
  if (!p.seen) remark = "not seen itself";
  else if (!p.start) remark = "no start: may be several";
  else if (p.guessed) remark = "some lines without start: guessed";
  if (p.guessed_parent) remark += std::string(remark.empty() ? "" : "; ") + "parent guessed";
  if (p.seen && !p.ppid) remark += std::string(remark.empty() ? "" : "; ") + "parent not told";
  return remark;
}

std::string name_of(const Process& p) { return fmt::format("{} {}", p.pid, text_of(p.comm)); }
std::string host_line(const Host& h, const Process& p) {
  std::string line = "host " + (h.name.empty() ? std::string("not told") : text_of(h.name));
  if (p.boot < h.boots.size()) line += ", boot " + text_of(h.boots[p.boot].id);
  return line;
}

// Calls `enter` before, and `leave` after the children of each, by a stack of its own: a tree may be deep.
void walk(const Story& s, const std::function<void(std::size_t, std::size_t depth)>& enter,
          const std::function<void(std::size_t, std::size_t depth)>& leave) {
  struct Step {
    std::size_t process, depth;
    bool left;
  };
  std::vector<Step> stack;
  for (auto root = s.roots.rbegin(); root != s.roots.rend(); ++root) stack.push_back({*root, 0, false});
  while (!stack.empty()) {
    const Step step = stack.back();
    stack.pop_back();
    if (step.left) {
      leave(step.process, step.depth);
      continue;
    }
    enter(step.process, step.depth);
    stack.push_back({step.process, step.depth, true});
    const auto& children = s.processes[step.process].children;
    for (auto c = children.rbegin(); c != children.rend(); ++c) stack.push_back({*c, step.depth + 1, false});
  }
}

// For HTML, where it stands between tags or in quotes.
void put_html(Buffer& out, std::string_view text) {
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
}

constexpr std::string_view kBegin = R"html(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>needle report</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:1.5em;max-width:90em}
h1{font-size:1.3em}h2{font-size:1.05em;margin:1.2em 0 .3em}
#head{margin:.3em 0;padding:0;list-style:none}.bad{color:#c22;font-weight:bold}
form{position:sticky;top:0;background:Canvas;padding:.5em 0;border-bottom:1px solid #8886;display:flex;gap:1em;flex-wrap:wrap;z-index:1}
.p{margin:.25em 0}.in{margin-left:1.3em;border-left:1px solid #8884;padding-left:.6em}
.r{display:flex;gap:.8em;align-items:center;border-radius:3px}.r:hover{background:#8882}
.t{flex:1;min-width:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace;font-size:12.5px}
.h>.t{font-weight:bold}.k>.t{padding-left:1.2em}.o>.t{padding-left:2.6em}
.n{color:#888;font-weight:normal}.e{color:#c22}
.a{position:relative;flex:0 0 26em;height:12px;background:#8882}
.a i{position:absolute;top:2px;height:8px;min-width:3px;background:#37c;border-radius:1px}.k .a i{background:#2a8}.o .a i{background:#999}
.f .a i{background:#c22}.axis{color:#888}.axis .a{background:none;display:flex;justify-content:space-between;height:auto}.axis .a span{font-size:11px}
.hide{display:none}
</style></head><body><h1>needle report</h1>
)html";
constexpr std::string_view kEnd = R"html(<script>
'use strict';
const $=id=>document.getElementById(id);
function filter(){
  const text=$('text').value.toLowerCase(),kind=$('kind').value,failed=$('failed').checked,host=$('host').value;
  let shown=0;
  const all=[...document.querySelectorAll('.p')].reverse();
  for(const p of all){
    let own=false;
    const name=p.firstElementChild.textContent.toLowerCase().includes(text);
    for(const r of p.querySelectorAll(':scope>.r.o,:scope>.r.k')){
      const hit=(!kind||r.dataset.k===kind)&&(!failed||r.classList.contains('f'))&&
        (name||r.textContent.toLowerCase().includes(text));
      r.classList.toggle('hide',!hit);own=own||hit;
    }
    if(own)for(const k of p.querySelectorAll(':scope>.r.k'))
      if([...p.querySelectorAll(':scope>.r.o:not(.hide)')].some(o=>o.dataset.k===k.dataset.k))k.classList.remove('hide');
    const here=(!host||p.dataset.h===host)&&(own||(name&&!kind&&!failed));
    const below=[...p.querySelectorAll(':scope>.p')].some(c=>!c.classList.contains('hide'));
    p.classList.toggle('hide',!here&&!below);
    if(here)shown++;
  }
  $('shown').textContent=shown+' of '+all.length+' processes';
}
for(const id of ['text','kind','failed','host'])$(id).addEventListener('input',filter);
document.querySelector('form').addEventListener('submit',e=>e.preventDefault());
filter();
</script></body></html>
)html";

class Page {
 public:
  Page(Buffer& out, const Story& s) : out_(out), s_(s), dated_(dated(s)) {}

  void put(std::size_t files) {
    out_ += kBegin;
    out_ += "<ul id=\"head\">";
    for (const std::string& line : head_of(s_, files)) {
      out_ += line.starts_with("LOST") || line.starts_with("MISSING") ? "<li class=\"bad\">" : "<li>";
      put_html(out_, line);
      out_ += "</li>\n";
    }
    out_ += "</ul>\n<form><label>Text <input id=\"text\" type=\"search\" autocomplete=\"off\"></label> ";
    std::vector<std::string> kinds;
    for (const Process& p : s_.processes)
      for (const Deeds& d : p.deeds)
        if (kinds.size() < 100 && std::ranges::find(kinds, d.event) == kinds.end()) kinds.push_back(d.event);
    std::ranges::sort(kinds);
    select("kind", "Event", kinds);
    std::vector<std::string> hosts;
    for (const Host& h : s_.hosts) hosts.push_back(h.name);
    select("host", "Host", hosts);
    out_ += "<label><input id=\"failed\" type=\"checkbox\"> only what failed</label> <span id=\"shown\"></span></form>\n";
    std::size_t host = s_.hosts.size();
    unsigned boot = 0;
    walk(
        s_,
        [&](std::size_t i, std::size_t depth) {
          const Process& p = s_.processes[i];
          if (depth == 0 && (p.host != host || p.boot != boot)) {
            host = p.host, boot = p.boot;
            out_ += "<h2>";
            put_html(out_, host_line(s_.hosts[host], p));
            out_ += "</h2>\n";
            axis();
          }
          process(p, depth);
          if (depth >= kNested) out_ += "</div>\n";
        },
        [&](std::size_t, std::size_t depth) {
          if (depth < kNested) out_ += "</div>\n";
        });
  }

 private:
  static constexpr std::size_t kNested = 200;  // a browser nests no deeper than some 512 elements

  void select(std::string_view id, std::string_view label, const std::vector<std::string>& values) {
    fmt::format_to(std::back_inserter(out_), "<label>{} <select id=\"{}\"><option value=\"\">all</option>", label, id);
    for (const std::string& v : values) {
      out_ += "<option>";
      put_html(out_, text_of(v));
      out_ += "</option>";
    }
    out_ += "</select></label> ";
  }
  void axis() {
    out_ += "<div class=\"r axis\"><span class=\"t\"></span><span class=\"a\">";
    if (s_.all.count) {
      out_ += "<span>" + clock_of(s_.all.first) + "</span><span>" + clock_of(s_.all.first + (s_.all.last - s_.all.first) / 2) +
              "</span><span>" + clock_of(s_.all.last) + "</span>";
    }
    out_ += "</span></div>\n";
  }
  void row(std::string_view classes, std::string_view kind, std::string_view text, std::string_view note, std::string_view error,
           const Times* t) {
    fmt::format_to(std::back_inserter(out_), "<div class=\"r{}{}\" data-k=\"", classes, t && t->failed ? " f" : "");
    put_html(out_, text_of(kind));
    out_ += "\"><span class=\"t\">";
    put_html(out_, text);
    if (!error.empty()) {
      out_ += " <span class=\"e\">";
      put_html(out_, error);
      out_ += "</span>";
    }
    out_ += " <span class=\"n\">";
    put_html(out_, note);
    out_ += "</span></span><span class=\"a\"";
    if (t && t->count) {
      const double all = std::max(1.0, static_cast<double>(s_.all.last - s_.all.first));
      const double left = 99.0 * static_cast<double>(t->first - s_.all.first) / all;
      const double width = 99.0 * static_cast<double>(t->last - t->first) / all;
      fmt::format_to(std::back_inserter(out_), " title=\"{}\"><i style=\"left:{:.2f}%;width:{:.2f}%\"></i", span_of(*t, dated_),
                     left, width);
    }
    out_ += "></span></div>\n";
  }
  void process(const Process& p, std::size_t depth) {
    out_ += depth ? "<div class=\"p in\" data-h=\"" : "<div class=\"p\" data-h=\"";
    put_html(out_, text_of(s_.hosts[p.host].name));
    out_ += "\">";
    std::string note = p.count ? times_of(p) + ", " + span_of(p, dated_) : "";
    if (const std::string remark = remark_of(p); !remark.empty()) note += (note.empty() ? "(" : " (") + remark + ")";
    row(" h", "", name_of(p), note, "", p.count ? &p : nullptr);
    for (const Deeds& d : p.deeds) {
      row(" k", d.event, text_of(d.event), times_of(d) + ", " + span_of(d, dated_), "", &d);
      for (const Thing& o : d.objects)
        row(" o", d.event, text_of(o.name), fmt::format("{}, {}", o.count, span_of(o, dated_)),
            o.error.empty() ? "" : text_of(o.error), &o);
      if (d.other) row(" o", d.event, "...", count_of(d.other, "event") + " of others, not kept", "", nullptr);
    }
    if (p.other) row(" k", "", "...", count_of(p.other, "event") + " of further kinds, not kept", "", nullptr);
  }

  Buffer& out_;
  const Story& s_;
  bool dated_;
};

}  // namespace

void put_report(Buffer& out, const Story& s, std::size_t files, bool wide) {
  const auto put = [&](std::string line) {
    if (!wide && screen_width(line) > kWidth) {
      line.resize(bytes_within(line, kWidth - 2));
      line += "\\>";
    }
    out += line;
    out.push_back('\n');
  };
  for (const std::string& line : head_of(s, files)) put(line);
  std::size_t host = s.hosts.size();
  unsigned boot = 0;
  const bool with_date = dated(s);
  walk(
      s,
      [&](std::size_t i, std::size_t depth) {
        const Process& p = s.processes[i];
        if (depth == 0 && (p.host != host || p.boot != boot)) {
          host = p.host, boot = p.boot;
          put("");
          put(host_line(s.hosts[host], p));
        }
        const std::string in(2 * std::min(depth, kIndented), ' ');
        std::string line = in + (depth > kIndented ? fmt::format("[{}] ", depth) : "") + name_of(p);
        if (p.count) line += "  " + span_of(p, with_date);
        if (const std::string remark = remark_of(p); !remark.empty()) line += "  (" + remark + ")";
        put(line);
        for (const Deeds& d : p.deeds) {
          put(fmt::format("{}    {} {}  {}", in, text_of(d.event), times_of(d), span_of(d, with_date)));
          for (const Thing& o : d.objects)
            put(fmt::format("{}    {:>6} {}{}", in, o.count, o.error.empty() ? "" : text_of(o.error) + " ", text_of(o.name)));
          if (d.other) put(fmt::format("{}    {:>6} of others, not kept", in, d.other));
        }
        if (p.other) put(fmt::format("{}    {} of further kinds, not kept", in, count_of(p.other, "event")));
      },
      [](std::size_t, std::size_t) {});
}

void put_html_report(Buffer& out, const Story& s, std::size_t files) {
  Page(out, s).put(files);
  out += kEnd;
}

}  // namespace needle
