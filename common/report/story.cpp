// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/story.h"

#include <algorithm>
#include <tuple>

namespace needle {
namespace {

std::string shortened(const std::string& s) {
  if (s.size() <= Story::kBytes) return s;
  std::size_t end = Story::kBytes;
  while (end > Story::kBytes - 4 && (static_cast<unsigned char>(s[end]) & 0xc0) == 0x80) end--;  // no character is cut in two
  return s.substr(0, end) + "...";
}

}  // namespace

void Times::add(std::int64_t time, std::uint64_t n, bool fails) {
  count += n;
  if (fails) failed += n;
  first = std::min(first, time);
  last = std::max(last, time);
}

void Story::new_file() {
  for (Host& h : hosts) h.boot = 0, h.boot_told = h.comparable = h.open = false;
}

void Story::line(std::string_view text) {
  if (text.find_first_not_of(" \t\r") == text.npos) return;
  lines++;
  ReportLine l;
  const LineKind kind = read_report_line(text, l);
  if (kind != LineKind::broken) return take(kind, l);
  broken++;
  // What was cut off may have the next line behind it.
  const std::size_t next = std::max(text.rfind("{\"time\":\"") + 1, text.rfind("{\"event\":\"") + 1);  // npos + 1: 0
  if (next > 1)
    if (const LineKind second = read_report_line(text.substr(next - 1), l); second != LineKind::broken) take(second, l);
}

std::size_t Story::host_of(const std::string& name) {
  if (const auto found = host_numbers_.find(name); found != host_numbers_.end()) return found->second;
  if (hosts.size() == kHosts) return kHosts;
  hosts.push_back({shortened(name)});
  host_numbers_.emplace(name, hosts.size() - 1);
  return hosts.size() - 1;
}

std::size_t Story::add(Process p) {
  by_pid_[{p.host, p.boot, p.pid}].push_back(processes.size());
  processes.push_back(std::move(p));
  return processes.size() - 1;
}

Process* Story::process_of(std::size_t host, const ReportLine& l) {
  const auto found = by_pid_.find({host, hosts[host].boot, *l.pid});
  if (found != by_pid_.end()) {
    for (const std::size_t i : found->second)
      if (processes[i].start == l.start) return &processes[i];
    // Without a start: the one that had the id last. The first that has one: also what came without it before.
    Process& last = processes[found->second.back()];
    if (!l.start || !last.start) {
      if (l.start) last.start = l.start;
      last.guessed = true;
      return &last;
    }
  }
  if (processes.size() >= kProcesses) return nullptr;
  Process p;
  p.host = host;
  p.boot = hosts[host].boot;
  p.pid = *l.pid;
  p.start = l.start;
  p.guessed = !l.start;
  return &processes[add(std::move(p))];
}

void Story::take(LineKind kind, const ReportLine& l) {
  if (kind == LineKind::foreign) {
    foreign++;
    return;
  }
  const std::size_t number = host_of(l.host);
  if (kind == LineKind::own) {
    own++;
    if (number == kHosts) return;
    Host& h = hosts[number];
    if (l.event == "start" && !l.boot_id.empty()) {
      auto boot = std::ranges::find(h.boots, l.boot_id, &Boot::id);
      if (boot == h.boots.end() && h.boots.size() < 100) boot = h.boots.insert(boot, {l.boot_id.substr(0, 64), *l.time});
      if (boot != h.boots.end()) {
        h.boot = static_cast<unsigned>(boot - h.boots.begin());
        h.boot_told = true;
        boot->seen = std::min(boot->seen, *l.time);
      }
    }
    if (l.event == "start") {
      h.comparable = l.part == 1 && !h.open;  // two tools that write into one file count each for itself
      h.open = true;
      h.read = 0;
    }
    if (l.event == "end") {  // its other sums are those of the records before it
      if (h.comparable && l.shown > h.read) h.missing += l.shown - h.read;
      h.comparable = h.open = false;
      return;
    }
    h.lost += l.lost;
    h.skipped += l.skipped;
    h.replaced += l.replaced;
    return;
  }
  if (number < kHosts) {
    Host& h = hosts[number];
    h.read += l.count;
    if (!h.boot_told) {
      h.guessed_boot += l.count;
      for (std::size_t i = 0; i < h.boots.size(); i++)  // the last one that had begun
        if (h.boots[i].seen <= *l.time && (h.boots[h.boot].seen > *l.time || h.boots[h.boot].seen < h.boots[i].seen))
          h.boot = static_cast<unsigned>(i);
    }
  }
  const bool fails = !l.error.empty();
  all.add(*l.time, l.count, fails);
  Process* const p = number == kHosts ? nullptr : process_of(number, l);
  if (!p) {
    without_process += l.count;
    return;
  }
  if (*l.time < p->first && l.ppid) {  // later ones may be of who adopted it
    p->ppid = l.ppid;
    p->pcomm = shortened(l.pcomm);
  } else if (!p->ppid) {
    p->ppid = l.ppid;
  }
  if (*l.time >= p->last) p->comm = shortened(l.comm);
  p->add(*l.time, l.count, fails);

  auto deeds = std::ranges::find(p->deeds, l.event.substr(0, kBytes), &Deeds::event);
  if (deeds == p->deeds.end()) {
    if (p->deeds.size() == kKinds) {
      p->other += l.count;
      return;
    }
    p->deeds.emplace_back().event = l.event.substr(0, kBytes);
    deeds = std::prev(p->deeds.end());
  }
  deeds->add(*l.time, l.count, fails);
  const std::string name = shortened(l.object), error = l.error.substr(0, 64);
  const auto same = [&](const Thing& o) { return o.error == error && o.name == name; };
  auto object = std::ranges::find_if(deeds->objects, same);
  if (object == deeds->objects.end()) {
    if (deeds->objects.size() == kObjectsEach || objects_ == kObjects) {
      deeds->other += l.count;
      return;
    }
    objects_++;
    Thing& o = deeds->objects.emplace_back();
    if (name != l.object) cut++;
    o.name = name;
    o.error = error;
    object = std::prev(deeds->objects.end());
  }
  object->add(*l.time, l.count, fails);
}

void Story::finish() {
  for (std::size_t i = 0, n = processes.size(); i < n; i++) {
    if (!processes[i].ppid || *processes[i].ppid == 0) continue;
    const auto key = std::tuple(processes[i].host, processes[i].boot, *processes[i].ppid);
    std::size_t parent = processes.size();
    bool guess = false;
    for (const std::size_t candidate : by_pid_[key]) {
      const Process& p = processes[candidate];
      if (candidate == i) continue;
      const bool fits = p.start && processes[i].start && *p.start <= *processes[i].start;
      if (fits && (parent == processes.size() || guess || *processes[parent].start < *p.start))
        (parent = candidate, guess = false);
      else if (!fits && p.seen && (!p.start || !processes[i].start) && parent == processes.size())
        (parent = candidate, guess = true);
      else if (!p.seen && parent == processes.size()) parent = candidate;
    }
    if (parent == processes.size()) {
      Process p;
      p.host = processes[i].host;
      p.boot = processes[i].boot;
      p.pid = *processes[i].ppid;
      p.comm = processes[i].pcomm;
      p.seen = false;
      parent = add(std::move(p));
    }
    // Guesses and hostile lines may go round in a circle.
    bool circle = false;
    for (std::size_t up = parent, steps = 0; !circle && steps <= processes.size(); steps++) {
      circle = up == i;
      const auto above = above_.find(up);
      if (above == above_.end()) break;
      up = above->second;
    }
    if (circle) continue;
    above_[i] = parent;
    processes[i].child = true;
    processes[i].guessed_parent = guess;
    processes[parent].children.push_back(i);
  }
  const auto earlier = [this](std::size_t a, std::size_t b) {
    return std::tuple(processes[a].first, a) < std::tuple(processes[b].first, b);
  };
  for (Process& p : processes) {
    std::ranges::sort(p.children, earlier);
    std::ranges::stable_sort(p.deeds, {}, &Deeds::first);  // also where each kind came from a file of its own
  }
  for (std::size_t i = 0; i < processes.size(); i++)
    if (!processes[i].child) roots.push_back(i);
  // One that was not seen is as early as its first child.
  const auto first = [this](std::size_t i) {
    const Process& p = processes[i];
    return p.seen || p.children.empty() ? p.first : processes[p.children.front()].first;
  };
  std::ranges::sort(roots, [&](std::size_t a, std::size_t b) {
    return std::tuple(processes[a].host, first(a), a) < std::tuple(processes[b].host, first(b), b);
  });
}

}  // namespace needle
