// How a Value is written for people: Python's repr(). Nothing parses this.
#include "shoal/value.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ostream>

namespace shoal {
namespace {

// The shortest digits that give the same double, placed as Python places them: in full between
// 1e-4 and 1e16, else with an exponent.
std::string repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char text[400];
  const auto scientific =
      std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
  const std::string shortest(text, scientific.ptr);
  const int exponent = std::atoi(shortest.c_str() + shortest.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return shortest;
  const auto fixed = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed);
  std::string plain(text, fixed.ptr);
  if (plain.find('.') == std::string::npos) plain += ".0";
  return plain;
}

void append_hex(std::string& out, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

std::string quoted(std::string_view text, bool escape_high) {
  const bool use_double =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = use_double ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f || (escape_high && byte > 0x7f)) {
      append_hex(out, byte);
    } else {
      out += c;
    }
  }
  out += quote;
  return out;
}

}  // namespace

std::string Value::to_string() const {
  if (const bool* truth = as_bool()) return *truth ? "True" : "False";
  if (const std::int64_t* number = as_int()) return std::to_string(*number);
  if (const double* number = as_double()) return repr(*number);
  if (const std::string* text = as_string()) return quoted(*text, false);
  if (const Bytes* bytes = as_bytes()) return quoted(bytes->view(), true).insert(0, 1, 'b');
  return "None";
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.to_string(); }

}  // namespace shoal
