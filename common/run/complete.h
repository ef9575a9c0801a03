// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What may stand at a place of the command line, for the shells' completion: they ask the tool itself, by --complete.
#pragma once

#include "run/help.h"
#include "tool.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

// `words`: what was typed behind the tool's name; the last is being typed, and may be empty. One candidate a line, and behind a
// tab what it means. Instead, or before, what the shell does better: ":files", names of files; ":command N", the last N words are a
// command; ":nospace", a candidate may be gone on with. `several`: whose events and options the tool takes beside its own.
std::string completions(const Tool&, const std::vector<HelpOption>&, std::span<const std::string> words,
                        std::span<const Tool* const> several = {});

}  // namespace needle
