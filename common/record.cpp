// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "record.h"

namespace needle {

const context* Record::who() const {
  if (bytes.size() < sizeof(event_header)) return nullptr;
  const std::size_t at = as<event_header>().context;
  if (at < sizeof(event_header) || at % alignof(context) != 0 || at + sizeof(context) > bytes.size()) return nullptr;
  return reinterpret_cast<const context*>(bytes.data() + at);
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
