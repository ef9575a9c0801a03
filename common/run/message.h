// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a tool has to say beside its events, on standard error. Nothing that goes wrong with it may end or hold up a trace:
// who reads it may be gone, may not read, or there may be none.
#pragma once

#include <string_view>

namespace needle {

// Who says it: "needle" until it is known. Not copied: a literal, or what lives as long.
void speak_as(std::string_view name) noexcept;

// Writes "NAME: TEXT" and a newline. What cannot be written within a fifth of a second is dropped, and counted; the next
// line that can be written is preceded by one that tells how many.
void say(std::string_view text) noexcept;

// Lines of more than one kind, as they are: for -v.
void say_raw(std::string_view lines) noexcept;

}  // namespace needle
