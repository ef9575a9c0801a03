// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The columns of whom something is done to: struct target.
#pragma once

#include "print/columns.h"
#include "target.h"

#include <array>

namespace needle {

template <> inline constexpr auto gathered<target> = std::tuple{
    Gathered<WANT_TARGET, &target::uid, &target::start>{},
    Gathered<WANT_TARGET_EXE, &target::exe>{},
    Gathered<WANT_TARGET_CONTAINER | WANT_CONTAINER, &target::cgroups>{},
};

template <> struct Format<ev_target> {
  static constexpr int width = 7;
  static constexpr Align align = Align::right;
  static void text(Buffer& out, ev_target t, Blanks) {
    if (static_cast<__s64>(t) == EV_TARGET_NONE) out.push_back('-');
    else if (static_cast<__s64>(t) == EV_TARGET_UNKNOWN) out.push_back('?');
    else put_decimal(out, static_cast<std::int64_t>(t));
  }
  static void json(Buffer& out, std::string_view key, ev_target t) {
    if (static_cast<__s64>(t) <= EV_TARGET_UNKNOWN) return put_null(out, key);
    put_key(out, key);
    put_decimal(out, static_cast<std::int64_t>(t));
  }
};

struct TargetContainer {  // its id
  static constexpr int width = 12;
  static constexpr int least = 8;
  static constexpr Align align = Align::left;
  static void text(Buffer& out, const ev_cgroups&, const Record& r, Blanks b) {
    const Container* const c = r.target_container;
    if (c && c->id.empty()) out.push_back('?');
    else put_text(out, c ? std::string_view(c->id).substr(0, 12) : std::string_view{}, b);
  }
  static void json(Buffer& out, std::string_view key, const ev_cgroups&, const Record& r) {
    if (r.target_container && !r.target_container->id.empty()) put_json_member(out, key, r.target_container->id);
    else put_null(out, key);
  }
};

// `Target`: &E::target of the event.
template <auto Target> inline constexpr std::array target_columns{
    column<Target, &target::pid>("tpid", "process that it is done to, in the initial pid namespace"),
    hidden(column<Target, &target::tid>("ttid", "the thread, where it is meant for one; else -")),
    column_as<OtherName, Target, &target::comm>("tcomm", "name of that process"),
    hidden(column<Target, &target::uid>("tuid", "real user id of that process")),
    hidden(column<Target, &target::start>("tstart", "when it started, in microseconds of the kernel's clock")),
    extra(column<Target, &target::exe>("texe", "the program that it runs")),
    extra(column_as<TargetContainer, Target, &target::cgroups>("tcontainer", "id of its container, in JSON all of it")),
};

}  // namespace needle
