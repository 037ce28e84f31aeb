// How a Value is written for people: Python's repr(). Nothing parses this.
#include "shoal/value.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <utility>

#include "memory/bigint.h"

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

void append(std::string& out, const Value& value, int depth);

// The items between the brackets, or "..." where they lie too deep.
void append_items(std::string& out, const Value& value, int depth) {
  if (depth == 0) {
    out += "...";
    return;
  }
  std::string_view separator;
  for (const Value& item : value.items()) {
    out += std::exchange(separator, ", ");
    append(out, item, depth - 1);
  }
  for (const ValueEntry& entry : value.entries()) {
    out += std::exchange(separator, ", ");
    append(out, entry.key, depth - 1);
    out += ": ";
    append(out, entry.value, depth - 1);
  }
}

void append_holder(std::string& out, const Value& value, int depth) {
  if (value.is_set() && value.items().empty()) {
    out += "set()";
    return;
  }
  out += value.is_list() ? '[' : value.is_tuple() ? '(' : '{';
  append_items(out, value, depth);
  if (value.is_tuple() && value.items().size() == 1) out += ',';
  out += value.is_list() ? ']' : value.is_tuple() ? ')' : '}';
}

void append_sized(std::string& out, std::string_view what, std::size_t bytes) {
  out += '<';
  out += what;
  out += ", " + std::to_string(bytes) + " bytes>";
}

void append(std::string& out, const Value& value, int depth) {
  switch (value.kind()) {
    case ValueKind::kNone:
      out += "None";
      break;
    case ValueKind::kBool:
      out += *value.as_bool() ? "True" : "False";
      break;
    case ValueKind::kInt:
      out += std::to_string(*value.as_int());
      break;
    case ValueKind::kBigInt:
      out += memory::big_int_text(value.as_big_int()->view());
      break;
    case ValueKind::kDouble:
      out += repr(*value.as_double());
      break;
    case ValueKind::kString:
      out += quoted(*value.as_string(), false);
      break;
    case ValueKind::kBytes:
      out += 'b' + quoted(value.as_bytes()->view(), true);
      break;
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
    case ValueKind::kMap:
      append_holder(out, value, depth);
      break;
    case ValueKind::kOpaque:
      if (const Opaque* opaque = value.as_opaque()) {
        append_sized(out, "opaque " + quoted(opaque->tag, false), opaque->bytes.size());
      }
      break;
    case ValueKind::kReference:
      out += "<object " + std::to_string(*value.as_reference()) + '>';
      break;
    default:
      append_sized(out, "value of kind " + std::to_string(static_cast<int>(value.kind())),
                   value.as_unknown()->size());
  }
}

}  // namespace

std::string Value::to_string() const {
  std::string out;
  append(out, *this, kDepthMax);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.to_string(); }

}  // namespace shoal
