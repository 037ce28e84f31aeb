// Integers of any size. See bigint.h.
#include "memory/bigint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace shoal::memory {
namespace {

// A number without sign: 32 bits each, least first.
using Limbs = std::vector<std::uint32_t>;

constexpr std::uint32_t kChunk = 1'000'000'000;  // decimal digits go nine at a time
constexpr std::size_t kChunkDigits = 9;

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

bool is_negative(std::string_view bytes) { return !bytes.empty() && (bytes.back() & 0x80) != 0; }

// In place; the bytes must have room for the sign.
void negate(std::string& bytes) {
  unsigned carry = 1;
  for (char& c : bytes) {
    const unsigned sum = (static_cast<unsigned char>(c) ^ 0xffU) + carry;
    c = static_cast<char>(sum & 0xff);
    carry = sum >> 8;
  }
}

Limbs magnitude_of(std::string_view bytes) {
  std::string whole(bytes);
  if (is_negative(bytes)) {
    whole += '\xff';
    negate(whole);
  }
  Limbs limbs((whole.size() + 3) / 4, 0);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    limbs[i / 4] |= std::uint32_t{byte_at(whole, i)} << 8 * (i % 4);
  }
  return limbs;
}

std::string with_sign(const Limbs& magnitude, bool negative) {
  std::string bytes;
  bytes.reserve(magnitude.size() * 4 + 1);
  for (const std::uint32_t limb : magnitude) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(limb >> shift & 0xff);
  }
  bytes += '\0';
  if (negative) negate(bytes);
  bytes.resize(canonical_big_int(bytes).size());
  return bytes;
}

// Divides by 10^9 and gives what is left over.
std::uint32_t divide(Limbs& limbs) {
  std::uint64_t rest = 0;
  for (std::size_t i = limbs.size(); i-- > 0;) {
    rest = rest << 32 | limbs[i];
    limbs[i] = static_cast<std::uint32_t>(rest / kChunk);
    rest %= kChunk;
  }
  while (!limbs.empty() && limbs.back() == 0) limbs.pop_back();
  return static_cast<std::uint32_t>(rest);
}

void multiply_and_add(Limbs& limbs, std::uint32_t factor, std::uint32_t term) {
  std::uint64_t carry = term;
  for (std::uint32_t& limb : limbs) {
    carry += std::uint64_t{limb} * factor;
    limb = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
}

std::string hexadecimal(const Limbs& limbs) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = limbs.size(); i-- > 0;) {
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[limbs[i] >> shift & 15];
  }
  return "0x" + text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
}

std::string decimal(Limbs limbs) {
  std::string backwards;
  do {
    std::uint32_t chunk = divide(limbs);
    for (std::size_t i = 0; i < kChunkDigits && (chunk != 0 || !limbs.empty()); ++i, chunk /= 10) {
      backwards += static_cast<char>('0' + chunk % 10);
    }
  } while (!limbs.empty());
  if (backwards.empty()) backwards = "0";
  return {backwards.rbegin(), backwards.rend()};
}

std::optional<Limbs> parse_decimal(std::string_view digits) {
  if (digits.size() > kDecimalDigitsMax) return std::nullopt;
  Limbs limbs;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
  }
  for (std::size_t at = 0; at < digits.size();) {
    const std::size_t count = std::min(kChunkDigits, digits.size() - at);
    std::uint32_t chunk = 0;
    std::uint32_t factor = 1;
    for (const char c : digits.substr(at, count)) {
      chunk = chunk * 10 + static_cast<std::uint32_t>(c - '0');
      factor *= 10;
    }
    multiply_and_add(limbs, factor, chunk);
    at += count;
  }
  return limbs;
}

std::optional<Limbs> parse_hexadecimal(std::string_view digits) {
  Limbs limbs((digits.size() + 7) / 8, 0);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[digits.size() - 1 - i];
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    limbs[i / 8] |= digit << 4 * (i % 8);
  }
  return limbs;
}

}  // namespace

std::string_view canonical_big_int(std::string_view bytes) {
  if (bytes.empty()) return std::string_view("\0", 1);
  const unsigned sign = is_negative(bytes) ? 0xff : 0;
  std::size_t size = bytes.size();
  while (size > 1 && byte_at(bytes, size - 1) == sign &&
         ((byte_at(bytes, size - 2) ^ sign) & 0x80) == 0) {
    --size;
  }
  return bytes.substr(0, size);
}

std::optional<std::int64_t> small_integer(std::string_view bytes) {
  const std::string_view canonical = canonical_big_int(bytes);
  if (canonical.size() > sizeof(std::int64_t)) return std::nullopt;
  std::int64_t number = is_negative(canonical) ? -1 : 0;
  std::memcpy(&number, canonical.data(), canonical.size());
  return number;
}

std::string big_int_of(double whole) {
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(whole), &exponent);
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
  // |whole| is mantissa * 2^shift; if shift is negative, the bits shifted out are 0.
  const int shift = exponent - 53;
  Limbs limbs;
  if (shift < 0) {
    const std::uint64_t number = shift > -64 ? mantissa >> -shift : 0;
    limbs = {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32)};
  } else {
    limbs.assign(static_cast<std::size_t>(shift) / 32, 0);
    const auto low = (mantissa & 0xffffffff) << shift % 32;
    const auto high = (mantissa >> 32) << shift % 32;
    limbs.push_back(static_cast<std::uint32_t>(low));
    limbs.push_back(static_cast<std::uint32_t>((low >> 32) | high));
    limbs.push_back(static_cast<std::uint32_t>(high >> 32));
  }
  return with_sign(limbs, whole < 0);
}

std::string big_int_of(std::int64_t number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  bytes.resize(canonical_big_int(bytes).size());
  return bytes;
}

int compare_big_ints(std::string_view a, std::string_view b) {
  const bool negative = is_negative(a);
  if (negative != is_negative(b)) return negative ? -1 : 1;
  if (a.size() != b.size()) return (a.size() < b.size()) != negative ? -1 : 1;
  for (std::size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return byte_at(a, i) < byte_at(b, i) ? -1 : 1;
  }
  return 0;
}

std::string big_int_text(std::string_view bytes) {
  Limbs limbs = magnitude_of(bytes);
  std::string text =
      bytes.size() > kDecimalBytesMax ? hexadecimal(limbs) : decimal(std::move(limbs));
  return is_negative(bytes) ? '-' + text : text;
}

std::optional<std::string> parse_big_int(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  if (text.empty()) return std::nullopt;
  const std::optional<Limbs> limbs = hex ? parse_hexadecimal(text) : parse_decimal(text);
  if (!limbs) return std::nullopt;
  return with_sign(*limbs, negative);
}

}  // namespace shoal::memory
