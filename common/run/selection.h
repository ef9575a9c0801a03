// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which tools' events `needle` traces, each with which options: "open -w --path /etc/ , connect --port 443".
#pragma once

#include "run/options.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

// One of the tools that trace together: the options as they are for it.
struct Traced {
  const Tool* tool;
  Options options;
};

// Is told what each part between commas has, then its end.
class Selection {
 public:
  // An option that some of the tools have.
  struct Choice {
    std::string flags;
    std::string_view value;  // see Option
    std::string help;        // with their names
  };

  explicit Selection(std::span<const Tool* const> tools);  // borrowed

  std::span<const Tool* const> tools() const { return tools_; }
  const std::vector<Choice>& choices() const { return choices_; }
  void name(std::string_view word);  // events, or tools, with commas between: throws BadUsage
  void give(const Choice& choice, std::string_view value) { given_.push_back({&choice, std::string(value)}); }
  void only_failed() { failed_ = true; }
  // `alone`: there is no comma. Throws BadUsage, also for what the tools' options refuse.
  void end_part(bool alone, std::vector<std::string>& remarks);

  // Each with the columns that its lines are made of.
  std::vector<Traced> traced(const Options& shared) const;

  std::string list() const;  // all tools, what each answers, as text

 private:
  struct Given {
    const Choice* choice;
    std::string value;
  };
  struct Chosen {
    const Tool* tool;
    bool failed = false;
    std::vector<Setting> own = {};
  };

  Chosen& chosen(const Tool*);
  const Tool* find(std::string_view word) const;  // null: there is none

  std::span<const Tool* const> tools_;
  std::vector<Choice> choices_;
  std::vector<const Tool*> named_;  // in this part
  std::vector<Given> given_;
  bool failed_ = false;
  std::vector<Chosen> chosen_;
};

}  // namespace needle
