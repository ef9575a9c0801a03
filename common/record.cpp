// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "record.h"

namespace needle {

namespace {

// What the header says to be there.
template <class T> const T* part_at(std::span<const std::byte> bytes, std::size_t at) {
  if (at < sizeof(event_header) || at % alignof(T) != 0 || at + sizeof(T) > bytes.size()) return nullptr;
  return reinterpret_cast<const T*>(bytes.data() + at);
}

}  // namespace

const context* Record::who() const {
  return bytes.size() < sizeof(event_header) ? nullptr : part_at<context>(bytes, as<event_header>().context);
}

const ::target* Record::target() const {
  return bytes.size() < sizeof(event_header) ? nullptr : part_at<::target>(bytes, as<event_header>().target);
}

template <> const context& Record::as<context>() const {
  static const context unknown = [] {
    context c{};
    for (ev_str* s : strings_of(c)) s->mark = EV_STR_UNKNOWN;
    c.nspid = c.session = ev_pid{EV_UNKNOWN};
    c.login_uid = ev_uid{EV_UNKNOWN64};
    c.audit_session = ev_audit{EV_UNKNOWN64};
    return c;
  }();
  const context* c = who();
  return c ? *c : unknown;
}

}  // namespace needle
