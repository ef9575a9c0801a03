// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One column: a name, what it means, and how to print one field of a record.
#pragma once

#include "print/format.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace needle {

struct Column {
  std::string_view name;  // the JSON key, the name in -o; in capitals the heading
  std::string_view help;
  int width;
  int least;  // on a terminal that is too narrow, what is left at least; 0: its text is never cut
  Align align;
  bool shown;       // in the table, unless -o says otherwise
  bool extra;       // in JSON only by -e, or by name
  unsigned wanted;  // bits of filter.want: what the programs must gather for it; see `gathered`
  void (*text)(Buffer&, const Record&, Blanks);
  void (*json)(Buffer&, std::string_view key, const Record&);
  std::span<const std::byte> (*own)(const Record&);  // the bytes that decide alone how it prints; null: others do too
  Part part;
};

// A piece of a sentence made of columns: the text between them belongs to one, and goes where that prints "-".
struct Phrase {
  std::string_view before;
  Column column;
  std::string_view after = {};
};

using Columns = std::vector<const Column*>;  // of a tool's, in the order to be shown

// What may travel: the same bytes in BPF C and in C++, and no padding, through which stale
// kernel memory would travel.
template <class T>
concept Travels = std::is_standard_layout_v<T> && std::is_trivially_copyable_v<T> &&
                  std::has_unique_object_representations_v<T> && alignof(T) == 8;
// clang-format off
template <class E>
concept Event = Travels<E> && std::is_same_v<decltype(E::h), event_header> && offsetof(E, h) == 0;
// clang-format on

// What a struct's programs gather only where a column shows it, by member: Gathered<WANT_IDS, &event_header::uid>. A struct of
// which some members are not gathered always has a tuple of these as its gathered<STRUCT>, beside its columns; so whoever shows
// a member asks for it, wherever and under whatever name that is.
template <unsigned Bits, auto... Members> struct Gathered {};
template <class Struct> inline constexpr std::tuple gathered{};

namespace detail {

template <class> struct MemberOf;
template <class C, class M> struct MemberOf<M C::*> { using type = C; };

template <auto One, auto Other> constexpr bool same_member() {
  if constexpr (std::is_same_v<decltype(One), decltype(Other)>) return One == Other;
  else return false;
}
// The bits that a member is gathered by: 0: always.
template <auto Member> consteval unsigned wanted_of() {
  const auto bits = []<unsigned Bits, auto... Members>(Gathered<Bits, Members...>) {
    return (... || same_member<Member, Members>()) ? Bits : 0u;
  };
  return std::apply([bits](auto... all) { return (0u | ... | bits(all)); }, gathered<typename MemberOf<decltype(Member)>::type>);
}

template <class T> constexpr const T& follow(const T& object) { return object; }
template <class T, class M, class... Rest> constexpr const auto& follow(const T& object, M member, Rest... rest) {
  return follow(object.*member, rest...);
}

// A field, reached from its event, or its context, by member pointers: &open_event::h, &event_header::pid.
template <auto First, auto... Rest> struct Field {
  using Of = typename MemberOf<decltype(First)>::type;
  static const auto& in(const Record& r) { return follow(r.as<Of>(), First, Rest...); }
  using Type = std::remove_cvref_t<decltype(in({}))>;
};

// How it prints: as Format of its type does.
template <class Field, class How> struct Printed {
  static void text(Buffer& out, const Record& r, Blanks b) { print_text<How>(out, Field::in(r), r, b); }
  static void json(Buffer& out, std::string_view key, const Record& r) { print_json<How>(out, key, Field::in(r), r); }
  static std::span<const std::byte> own(const Record& r) { return std::as_bytes(std::span(&Field::in(r), 1)); }
};

template <class How, class Of> consteval Part part_of() {
  if constexpr (requires { How::part; }) return How::part;
  else return std::is_same_v<Of, context> ? Part::context : Part::fields;
}

}  // namespace detail

namespace detail {

// Text that may be long says in its Format how much of it still tells something; a heading is whole.
template <class How> consteval int least_of(std::string_view name) {
  if constexpr (requires { How::least; }) return std::max(How::least, static_cast<int>(name.size()));
  else return 0;
}

}  // namespace detail

// column_as<How, &event_header::uid>("user", "..."): a field that How prints.
template <class How, auto... Path>
requires Travels<typename detail::Field<Path...>::Of>
consteval Column column_as(std::string_view name, std::string_view help) {
  using P = detail::Printed<detail::Field<Path...>, How>;
  constexpr unsigned wanted = (0u | ... | detail::wanted_of<Path>());
  const int width = std::max(How::width, static_cast<int>(name.size()));  // the heading has to fit as well
  return {.name = name,
          .help = help,
          .width = width,
          .least = detail::least_of<How>(name),
          .align = How::align,
          .shown = true,
          .extra = false,
          .wanted = wanted,
          .text = P::text,
          .json = P::json,
          .own = ByValue<How, typename detail::Field<Path...>::Type> ? P::own : nullptr,
          .part = detail::part_of<How, typename detail::Field<Path...>::Of>()};
}

// column<&open_event::path>("path", "the file that was opened"): all else follows from the
// field's type.
template <auto... Path> consteval Column column(std::string_view name, std::string_view help) {
  return column_as<Format<typename detail::Field<Path...>::Type>, Path...>(name, help);
}

// Not in the table unless asked for.
consteval Column hidden(Column c) {
  c.shown = false;
  return c;
}

// Nor in JSON, because it costs.
consteval Column extra(Column c) {
  c.shown = false;
  c.extra = true;
  return c;
}

consteval Column wide(Column c, int width) {
  c.width = width;
  return c;
}

}  // namespace needle
