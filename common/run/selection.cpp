// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/selection.h"

#include <fmt/format.h>

#include <algorithm>

namespace needle {
namespace {

const Option* option_of(const Tool& tool, std::string_view flags) {
  const auto found = std::ranges::find(tool.options, flags, &Option::flags);
  return found == tool.options.end() ? nullptr : &*found;
}

std::string last_of(std::string_view flags) { return std::string(flags.substr(flags.rfind(',') + 1)); }

std::vector<const Tool*> owners_of(std::span<const Tool* const> tools, std::string_view flags) {
  std::vector<const Tool*> owners;
  for (const Tool* t : tools)
    if (option_of(*t, flags)) owners.push_back(t);
  return owners;
}

std::string events_of(std::span<const Tool* const> tools) {
  std::string text;
  for (const Tool* t : tools) text += fmt::format("{}{}", text.empty() ? "" : ", ", t->event);
  return text;
}

}  // namespace

Selection::Selection(std::span<const Tool* const> tools) : tools_(tools) {
  std::vector<std::string_view> seen;
  for (const Tool* t : tools)
    for (const Option& o : t->options) {
      if (std::ranges::find(seen, o.flags) != seen.end()) continue;
      seen.push_back(o.flags);
      choices_.push_back({std::string(o.flags), o.value, fmt::format("{}: {}", events_of(owners_of(tools, o.flags)), o.help)});
    }
}

const Tool* Selection::find(std::string_view word) const {
  for (const Tool* t : tools_)
    if (word == t->event || word == t->name) return t;
  return nullptr;
}

void Selection::name(std::string_view words) {
  for (std::size_t at = 0, end; at <= words.size(); at = end + 1) {
    end = std::min(words.find(',', at), words.size());
    const std::string_view word = words.substr(at, end - at);
    if (word.empty()) continue;  // "exec, connect"
    const Tool* const tool = find(word);
    if (!tool)
      throw BadUsage(fmt::format("there is no event '{}'; there are: {}; to trace a command, write needle -- {}", word,
                                 events_of(tools_), word));
    if (std::ranges::find(named_, tool) == named_.end()) named_.push_back(tool);
  }
}

Selection::Chosen& Selection::chosen(const Tool* tool) {
  const auto found = std::ranges::find(chosen_, tool, &Chosen::tool);
  return found != chosen_.end() ? *found : chosen_.emplace_back(Chosen{tool});
}

void Selection::end_part(bool alone, std::vector<std::string>& remarks) {
  const bool usual = named_.empty();
  if (usual && !alone)
    throw BadUsage(
        "a ',' stands between events, each with its options; name one on both sides: needle open -w , connect --port 443");
  if (usual)
    for (const Tool* t : tools_)
      if (t->timeline.usual) {
        named_.push_back(t);
        if (!t->timeline.usual_option.empty())
          chosen(t).own.push_back(option_of(*t, t->timeline.usual_option)->parse({}, remarks));
      }
  for (const Tool* t : named_) chosen(t).failed |= failed_;
  for (const Given& g : given_) {
    bool taken = false;
    for (const Tool* t : named_)
      if (const Option* o = option_of(*t, g.choice->flags)) {
        chosen(t).own.push_back(o->parse(g.value, remarks));
        taken = true;
      }
    if (taken) continue;
    const std::vector<const Tool*> owners = owners_of(tools_, g.choice->flags);
    const std::string flag = last_of(g.choice->flags), value = g.value.empty() ? "" : " " + g.value;
    throw BadUsage(fmt::format("{}: {} has no such option; it is one of {}: write it behind that, as in needle {} , {} {}{}",
                               flag, events_of(named_), events_of(owners), named_.front()->event, owners.front()->event, flag,
                               value));
  }
  named_.clear();
  given_.clear();
  failed_ = false;
}

std::vector<Traced> Selection::traced(const Options& shared) const {
  std::vector<Traced> all;
  for (const Chosen& c : chosen_) {
    Traced& t = all.emplace_back(Traced{c.tool, shared});
    t.options.own = c.own;
    t.options.filter.want |= WANT_TIME;  // by which they are put in order
    if (c.failed) t.options.filter.set |= FILTER_FAILED;
    if (shared.json && !shared.summary) t.options.columns = shared.columns_of(*c.tool);
    else
      for (const Phrase& part : c.tool->timeline.what) t.options.columns.push_back(&part.column);
  }
  return all;
}

std::string Selection::list() const {
  std::string text = "Events (* are traced unless some are named):\n";
  for (const Tool* t : tools_)
    text += fmt::format("  {}{:<10}{:<15} {}\n", t->timeline.usual ? '*' : ' ', t->event, t->name, t->about);
  return text;
}

}  // namespace needle
