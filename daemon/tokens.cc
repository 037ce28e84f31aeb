// See tokens.h.
#include "daemon/tokens.h"

#include <charconv>
#include <utility>

#include "daemon/random.h"
#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

constexpr std::string_view kPrefix = "shoal-";
constexpr std::size_t kHexDigits = 16;

void append_hex(std::string& out, std::uint64_t word) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[word >> shift & 15]);
}

bool parse_hex(std::string_view digits, std::uint64_t& word) {
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, word, 16);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

std::string Tokens::text(const TokenRecord& record) {
  std::string out(kPrefix);
  append_hex(out, record.secret[0]);
  append_hex(out, record.secret[1]);
  return out;
}

absl::StatusOr<std::string> Tokens::make(const New& token) {
  const std::uint32_t most = protocol::most_of_one_uid(
      protocol::Shared::kTokens, catalog_.tokens.capacity(), token.may_use_all);
  const auto made = of_uid_.find(token.uid);
  const std::uint32_t of_uid = made == of_uid_.end() ? 0 : made->second;
  const Index index = of_uid < most ? catalog_.tokens.take() : 0;
  if (index == 0) {
    return protocol::error(absl::StatusCode::kResourceExhausted, "there are ",
                           catalog_.tokens.used(), " tokens, ", of_uid, " of uid ", token.uid,
                           "; the limit \"tokens\" is ", catalog_.tokens.capacity(), ", and ", most,
                           " for this uid: open some, or wait until they expire");
  }
  TokenRecord& record = catalog_.tokens[index];
  record.object = token.object;
  fill_random(record.secret);
  record.expires_ns = token.expires_ns;
  record.access = static_cast<std::uint32_t>(token.access);
  record.uid = token.uid;
  catalog_.tokens.publish(index);
  by_secret_[Secret{record.secret[0], record.secret[1]}] = index;
  by_time_.insert({token.expires_ns, index});
  ++of_uid_[token.uid];
  objects_.token_added(token.object);
  return text(record);
}

Index Tokens::find(std::string_view text) const {
  if (text.size() != kPrefix.size() + 2 * kHexDigits) return 0;
  if (text.substr(0, kPrefix.size()) != kPrefix) return 0;
  text.remove_prefix(kPrefix.size());
  Secret secret;
  if (!parse_hex(text.substr(0, kHexDigits), secret.first)) return 0;
  if (!parse_hex(text.substr(kHexDigits), secret.second)) return 0;
  const auto found = by_secret_.find(secret);
  return found == by_secret_.end() ? 0 : found->second;
}

void Tokens::take(Index index) {
  const TokenRecord& record = catalog_.tokens[index];
  by_secret_.erase(Secret{record.secret[0], record.secret[1]});
  by_time_.erase({record.expires_ns, index});
  const Index object = record.object;
  const auto made = of_uid_.find(record.uid);
  if (--made->second == 0) of_uid_.erase(made);
  catalog_.tokens.free(index);
  objects_.token_removed(object);
  objects_.reference_dropped(object);
}

std::int64_t Tokens::expire(std::int64_t now_ns) {
  while (!by_time_.empty() && by_time_.begin()->first <= now_ns) {
    take(by_time_.begin()->second);
  }
  return by_time_.empty() ? 0 : by_time_.begin()->first;
}

}  // namespace shoal::daemon
