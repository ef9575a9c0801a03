// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A story as text for a terminal, or as one page of HTML that needs nothing but itself.
#pragma once

#include "print/text.h"
#include "report/story.h"

namespace needle {

void put_report(Buffer&, const Story&, std::size_t files, bool wide);
void put_html_report(Buffer&, const Story&, std::size_t files);

}  // namespace needle
