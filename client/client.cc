// Implements <shoal/client.h> and <shoal/object.h>.
#include "shoal/client.h"

#include <iterator>
#include <utility>

#include "client/reference.h"
#include "client/session.h"
#include "client/wire.h"
#include "schemas/text.h"
#include "shoal/value.h"

namespace shoal {

using internal::ask;
using internal::expect_done;
using internal::from_wire;
using internal::set_text;
using Reply = wire::Reply::Reader;

std::string_view kind_name(Kind kind) {
  constexpr std::string_view kNames[] = {
      "unknown",   "SharedMemory", "ShareableList", "Lock",
      "RLock",     "SharedLock",   "Semaphore",     "BoundedSemaphore",
      "Condition", "Event",        "Barrier",       "Cell",
      "Array",     "Dict",         "TypedDict",     "List",
      "Namespace"};
  const auto number = static_cast<std::size_t>(kind);
  return number < std::size(kNames) ? kNames[number] : kNames[0];
}

std::string_view lifetime_name(Lifetime lifetime) {
  switch (lifetime) {
    case Lifetime::kNamed:
      return "named";
    case Lifetime::kSession:
      return "session";
    case Lifetime::kReferenced:
      return "referenced";
  }
  return "unknown";
}

Client::Client(std::shared_ptr<internal::Session> session) : session_(std::move(session)) {}

absl::Status internal::empty_name() {
  return absl::InvalidArgumentError(
      "object name is empty; give 1 to 255 bytes of UTF-8, or no name at all");
}

absl::StatusOr<std::uint64_t> internal::referred_id(const Value& value) {
  if (const std::uint64_t* const id = value.as_reference()) return *id;
  return protocol::error(absl::StatusCode::kInvalidArgument, "the value is ",
                         kind_name(value.kind()),
                         ", not a reference; shoal::reference_to(object) makes one");
}

absl::StatusOr<Client> Client::connect(const ClientOptions& options) {
  auto session = internal::Session::open(options, /*with_arena=*/true);
  if (!session.ok()) return session.status();
  return Client(*std::move(session));
}

absl::StatusOr<Client> Client::connect_for_administration(const ClientOptions& options) {
  auto session = internal::Session::open(options, /*with_arena=*/false);
  if (!session.ok()) return session.status();
  return Client(*std::move(session));
}

const ClientOptions& Client::options() const { return session_->options(); }

absl::Status Client::ping() const {
  return ask(
             *session_, [](wire::Request::Builder request) { request.setPing(); }, &Reply::isPong,
             &Reply::getPong, [](wire::Pong::Reader) { return true; })
      .status();
}

absl::Status Client::unlink(std::string_view name) const {
  return session_->call(
      [&](wire::Request::Builder request) {
        auto unlink = request.initUnlink();
        set_text([&](unsigned size) { return unlink.initName(size); }, name);
      },
      expect_done);
}

absl::Status Client::end_session() const {
  return session_->call([](wire::Request::Builder request) { request.setGoodbye(); }, expect_done);
}

Arena Client::arena(std::string_view name) const { return Arena(session_, std::string(name)); }

namespace {

// Page by page, each after the last object of the one before.
absl::StatusOr<std::vector<ObjectInfo>> list_all(
    internal::Session& session,
    absl::FunctionRef<void(wire::Listing::Builder, const ObjectInfo& last)> fill) {
  std::vector<ObjectInfo> all;
  for (;;) {
    const ObjectInfo last = all.empty() ? ObjectInfo{} : all.back();
    const absl::StatusOr<bool> more = ask(
        session, [&](wire::Request::Builder request) { fill(request.initList(), last); },
        &Reply::isObjects, &Reply::getObjects,
        [&](wire::Objects::Reader page) {
          for (const auto object : page.getObjects()) all.push_back(from_wire(object));
          return page.getMore() && page.getObjects().size() > 0;
        });
    if (!more.ok()) return more.status();
    if (!*more) return all;
  }
}

}  // namespace

absl::StatusOr<std::vector<ObjectInfo>> Client::list(std::string_view prefix) const {
  return list_all(*session_, [&](wire::Listing::Builder list, const ObjectInfo& last) {
    set_text([&](unsigned size) { return list.initPrefix(size); }, prefix);
    set_text([&](unsigned size) { return list.initAfter(size); }, last.name);
  });
}

absl::StatusOr<std::vector<ObjectInfo>> Client::list_unnamed() const {
  return list_all(*session_, [](wire::Listing::Builder list, const ObjectInfo& last) {
    list.setAnonymous(true);
    list.setAfterObject(last.id);
  });
}

namespace {

absl::StatusOr<ObjectStat> stat_of(internal::Session& session,
                                   absl::FunctionRef<void(wire::Target::Builder)> fill_target) {
  return ask(
      session, [&](wire::Request::Builder request) { fill_target(request.initStat()); },
      &Reply::isHolders, &Reply::getHolders,
      [](wire::Holders::Reader holders) {
        ObjectStat stat{.object = from_wire(holders.getObject()),
                        .holders = {},
                        .holders_left_out = holders.getMore()};
        for (const auto holder : holders.getHolders()) stat.holders.push_back(from_wire(holder));
        return stat;
      });
}

}  // namespace

absl::StatusOr<ObjectStat> Client::stat(std::string_view name) const {
  return stat_of(*session_, [&](wire::Target::Builder target) {
    set_text([&](unsigned size) { return target.initName(size); }, name);
  });
}

absl::StatusOr<ObjectStat> Client::stat_by_id(std::uint64_t id) const {
  return stat_of(*session_, [&](wire::Target::Builder target) { target.setObject(id); });
}

absl::StatusOr<Token> Client::share_reference(const std::shared_ptr<internal::Reference>& reference,
                                              absl::Duration valid_for) const {
  if (reference == nullptr) {
    return absl::FailedPreconditionError("the object is closed and cannot be shared");
  }
  // Asked through the session that holds the reference, whichever client made it.
  return ask(
      *reference->session,
      [&](wire::Request::Builder request) {
        auto share = request.initShare();
        share.setObject(reference->object);
        share.setSeconds(absl::ToDoubleSeconds(valid_for));
      },
      &Reply::isToken, &Reply::getToken,
      [](capnp::Text::Reader token) { return Token{.text = internal::to_string(token)}; });
}

}  // namespace shoal
