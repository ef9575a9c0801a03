// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/json.h"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace needle {
namespace {

using nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::function<void(const JsonPath&, const std::string&)>& f) : f_(f) {}

  bool null() { return next(); }
  bool boolean(bool) { return next(); }
  bool number_integer(json::number_integer_t) { return next(); }
  bool number_unsigned(json::number_unsigned_t) { return next(); }
  bool number_float(json::number_float_t, const std::string&) { return next(); }
  bool binary(json::binary_t&) { return next(); }
  bool string(std::string& value) {
    if (!path_.empty()) f_(path_, value);
    return next();
  }
  bool key(std::string& key) {
    path_.back() = key;
    return true;
  }
  bool start_object(std::size_t) { return enter(kObject); }
  bool start_array(std::size_t) { return enter(0); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }

 private:
  static constexpr std::size_t kDeepest = 32;
  static constexpr std::ptrdiff_t kObject = -1;

  bool enter(std::ptrdiff_t index) {
    path_.emplace_back(index == kObject ? "" : "0");
    index_.push_back(index);
    return path_.size() <= kDeepest;
  }
  bool leave() {
    path_.pop_back();
    index_.pop_back();
    return next();
  }
  // A value has ended.
  bool next() {
    if (!index_.empty() && index_.back() != kObject) path_.back() = std::to_string(++index_.back());
    return true;
  }

  const std::function<void(const JsonPath&, const std::string&)>& f_;
  JsonPath path_;
  std::vector<std::ptrdiff_t> index_;
};

}  // namespace

bool for_each_json_string(std::string_view text, const std::function<void(const JsonPath&, const std::string&)>& f) {
  Reader reader(f);
  return json::sax_parse(text.begin(), text.end(), &reader);
}

}  // namespace needle
