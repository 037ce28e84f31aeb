@0xc9a3f0d6b1e24857;

# The control protocol between libshoal and shoald: one Request, one Reply, over a Unix stream
# socket, descriptors riding along by SCM_RIGHTS. Framing is Cap'n Proto's standard stream framing.
# Data-plane operations never appear here.
#
# Rules: minor versions only add fields and union members; nothing is renumbered. One request is in
# flight per session. `release` has no reply, and needs no id. The manager remembers the last
# id of a session with its outcome, so that a request repeated after a reconnect is not done twice.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("shoal::wire");

enum Kind {
  unknown @0;
  sharedMemory @1;
  shareableList @2;
  # From here on objects live in the memory of their arena (memory/layout.h), not in a segment.
  lock @3;
  rLock @4;
  sharedLock @5;
  semaphore @6;
  boundedSemaphore @7;
  condition @8;
  event @9;
  barrier @10;
  cell @11;
  array @12;
  # Containers: their memory is allocated by whoever changes them.
  dict @13;
  typedDict @14;
  list @15;
  namespace @16;
}

enum Lifetime {
  named @0;        # until unlinked
  session @1;      # unlinked when the creating session ends
  referenced @2;   # unlinked with the last attachment
}

enum Access {
  readWrite @0;
  readOnly @1;
}

struct Version {
  major @0 :UInt16;
  minor @1 :UInt16;
}

struct Request {
  id @0 :UInt64;
  union {
    hello @1 :Hello;
    ping @2 :Void;
    create @3 :Create;
    open @4 :Open;
    release @5 :Release;
    unlink @6 :Unlink;
    list @7 :Listing;
    stat @8 :Target;
    share @9 :Share;
    descriptor @10 :Descriptor;
    seal @11 :UInt64;              # object id
    inherit @12 :Inherit;
    goodbye @13 :Void;             # unlinks what the session created with lifetime `session`
    arenaCreate @14 :ArenaCreate;
    arenaList @15 :Void;
    arenaStat @16 :Text;
    arenaChange @17 :ArenaChange;
    arenaRemove @18 :Text;
    clients @19 :Page;
    usage @20 :Void;
    limits @21 :Void;
    link @22 :Link;
    arenaMap @23 :Access;          # the memory of the session's arena
    watch @24 :UInt64;             # object id: an eventfd that tells of its changes
    poke @25 :UInt64;              # object id: a watched object changed. No reply
    waits @26 :Page;               # administrators: the session pages, one a reply
    pin @27 :Pin;                  # a block of an object, which a view shows
  }
}

struct Reply {
  id @0 :UInt64;
  union {
    error @1 :Error;
    hello @2 :Welcome;
    done @3 :Void;
    attached @4 :Attached;
    objects @5 :Objects;
    holders @6 :Holders;
    token @7 :Text;
    gone @8 :List(UInt64);         # inherit: object ids that were no longer there
    arenas @9 :List(Arena);
    clients @10 :Clients;
    usage @11 :Usage;
    limits @12 :List(Limit);
    pong @13 :Pong;
    arenaMemory @14 :ArenaMemory;
    waits @15 :Waits;
  }
}

struct Error {
  code @0 :UInt16;                 # absl::StatusCode
  message @1 :Text;
}

# ---- session ----

struct Hello {
  oldest @0 :Version;
  newest @1 :Version;
  layout @2 :UInt32;               # of shared memory; must be equal
  label @3 :Text;                  # what tools show; the program's name
  arena @4 :Text;                  # empty: a session for administration only
  resume @5 :Secret;               # set: go on with this session after a lost connection
  # A pidfd of the sender may ride along. It is looked at only where the manager cannot get one.
}

struct Pin {
  object @0 :UInt64;
  block @1 :UInt64;                # offset in the arena's file
  on @2 :Bool;                     # the block stays as it is until this is off. Off: no reply
}

struct Secret {
  session @0 :UInt64;              # 0: none
  high @1 :UInt64;
  low @2 :UInt64;
}

struct Welcome {
  version @0 :Version;
  secret @1 :Secret;
  slot @2 :UInt16;
  managerPid @3 :UInt32;
  program @4 :Text;                # the manager's release
  lastRequest @5 :UInt64;          # of a resumed session: the last change that was done
  lastObject @6 :UInt64;           # and the object it attached, if any
  # Rides along: the write end of the session's life pipe.
}

struct Pong {
  program @0 :Text;
  managerPid @1 :UInt32;
  version @2 :Version;
  layout @3 :UInt32;
  socket @4 :Text;
  startedNs @5 :Int64;             # since the epoch
  sessions @6 :UInt32;
  objects @7 :UInt32;
  manager @8 :UInt64;              # as in its session pages
}

struct Inherit {
  # A forked child takes over references of its parent's session, which it proves by the secret.
  parent @0 :Secret;
  references @1 :List(Count);
}

struct Count {
  object @0 :UInt64;
  count @1 :UInt32;
  access @2 :Access;
}

struct Release {
  # The session now holds `count` references to the object: absolute, so that a repetition is harmless.
  object @0 :UInt64;
  count @1 :UInt32;
  access @2 :Access;               # of those that are left: read-write if any of them is
  # What the session holds in the object by references that go is given back, but those stay: forked
  # children of its may use them, and are still to take them over (`inherit`).
  keep @3 :Bool;
}

# ---- objects ----

struct Create {
  name @0 :Text;                   # empty: anonymous
  kind @1 :Kind;
  size @2 :UInt64;                 # bytes, exact
  lifetime @3 :Lifetime;
  sealable @4 :Bool;
  sparse @5 :Bool;
  hugePages @6 :Bool;
  numaNode @7 :Int32 = -1;
  openExisting @8 :Bool;           # open_or_create
  openAccess @9 :Access;           # of the existing object
  # Of kinds that live in the arena.
  parameter @10 :UInt64;           # what it means follows from the kind: memory/layout.h
  flags @11 :UInt16;
  fingerprint @12 :Text;           # of the types of values, elements, keys and values
  elementBytes @13 :UInt32;        # of an array's element, a typed dict's value
  initial @14 :Data;               # a cell's value
}

struct Open {
  union {
    name @0 :Text;
    token @1 :Text;
    object @5 :UInt64;             # id, as in a value that refers to it
  }
  kind @2 :Kind;                   # unknown: any
  access @3 :Access;
  fingerprint @4 :Text;            # empty: any
}

struct Attached {
  object @0 :UInt64;
  kind @1 :Kind;
  size @2 :UInt64;
  name @3 :Text;
  access @4 :Access;
  created @5 :Bool;
  resident @6 :Bool;               # all pages are there: mapping them at once is cheap
  pageSize @7 :UInt32;
  hugePagesRefused @8 :Text;       # why huge pages were not given; empty: given, or not asked for
  mapSize @9 :UInt64;              # what to map: `size` rounded up to the page size
  # Rides along: the memfd; nothing, for kinds that live in the arena. Of those:
  parameter @10 :UInt64;
  flags @11 :UInt16;
  fingerprint @12 :Text;
  elementBytes @13 :UInt32;
  block @14 :UInt64;               # offset in the arena; 0: all is in the descriptor
}

struct Descriptor {
  object @0 :UInt64;
  access @1 :Access;
}

struct Target {
  union {
    name @0 :Text;
    object @1 :UInt64;
  }
}

struct ArenaMemory {
  arena @0 :UInt64;                # id
  arenaBytes @1 :UInt64;           # of its chunks; the rest of the geometry follows (memory/layout.h)
  # Rides along: the memfd.
}

struct Waits {
  session @0 :UInt64;              # 0: there are no more
  pid @1 :UInt32;
  uid @2 :UInt32;
  label @3 :Text;
  arena @4 :Text;
  # Rides along: the session's page, for reading.
}

struct Unlink {
  union {
    name @0 :Text;
    object @1 :UInt64;
  }
}

struct Link {
  # Gives an anonymous object that the session holds a name: what was prepared becomes visible whole.
  object @0 :UInt64;
  name @1 :Text;
}

struct Listing {
  prefix @0 :Text;
  after @1 :Text;                  # page on: names greater than this one
  most @2 :UInt32;
  anonymous @3 :Bool;              # the objects without a name instead, `afterObject` pages on
  afterObject @4 :UInt64;
}

struct Objects {
  objects @0 :List(Object);
  more @1 :Bool;
}

struct Object {
  id @0 :UInt64;
  name @1 :Text;
  kind @2 :Kind;
  size @3 :UInt64;
  committed @4 :UInt64;
  lifetime @5 :Lifetime;
  references @6 :UInt32;           # over all sessions and tokens
  sessions @7 :UInt32;
  sealable @8 :Bool;
  sealed @9 :Bool;
  sparse @10 :Bool;
  pageSize @11 :UInt32;
  numaNode @12 :Int32;
  createdNs @13 :Int64;
  creatorPid @14 :UInt32;
  creatorUid @15 :UInt32;
  arena @16 :Text;
  tokens @17 :UInt32;
  parameter @18 :UInt64;
  flags @19 :UInt16;
  fingerprint @20 :Text;
  elementBytes @21 :UInt32;
  block @22 :UInt64;
  referred @23 :Bool;              # some value has referred to it, and may still
}

struct Holders {
  object @0 :Object;
  holders @1 :List(Holder);
  more @2 :UInt32;                 # holders beyond the limit of one reply
}

struct Holder {
  session @0 :UInt64;
  pid @1 :UInt32;
  uid @2 :UInt32;
  label @3 :Text;
  sinceNs @4 :Int64;
  references @5 :UInt32;
  access @6 :Access;
  state @7 :Text;
}

struct Share {
  object @0 :UInt64;
  seconds @1 :Float64;
}

# ---- administration ----

struct ArenaCreate {
  name @0 :Text;
  mode @1 :UInt16;
  quota @2 :UInt64;                # 0: the default
  ownerUid @3 :UInt32 = 0xffffffff;   # the caller's
  ownerGid @4 :UInt32 = 0xffffffff;
}

struct ArenaChange {
  name @0 :Text;
  union {
    mode @1 :UInt16;
    quota @2 :UInt64;
  }
}

struct Arena {
  name @0 :Text;
  ownerUid @1 :UInt32;
  ownerGid @2 :UInt32;
  mode @3 :UInt16;
  quota @4 :UInt64;
  committed @5 :UInt64;
  objects @6 :UInt32;
  sessions @7 :UInt32;
  createdNs @8 :Int64;
  arenaBytes @9 :UInt64;           # how large its memory may grow; sparse
  containers @10 :UInt64;          # of that memory, what is not `committed` by objects
}

struct Page {
  after @0 :UInt64;
  most @1 :UInt32;
}

struct Clients {
  clients @0 :List(ClientInfo);
  more @1 :Bool;
}

struct ClientInfo {
  session @0 :UInt64;
  pid @1 :UInt32;
  uid @2 :UInt32;
  gid @3 :UInt32;
  label @4 :Text;
  arena @5 :Text;
  state @6 :Text;                  # live, dying, quarantined
  sinceNs @7 :Int64;
  references @8 :UInt32;
  objects @9 :UInt32;
  slot @10 :UInt16;
}

struct Usage {
  memoryMax @0 :UInt64;
  committed @1 :UInt64;
  warm @2 :UInt64;
  warmMax @3 :UInt64;
  available @4 :UInt64;            # what the host and the cgroup would still give
  arenas @5 :List(Arena);
  users @6 :List(User);
  containers @7 :UInt64;           # of all arenas
}

struct User {
  uid @0 :UInt32;
  committed @1 :UInt64;
  objects @2 :UInt32;
  sessions @3 :UInt32;
}

struct Limit {
  name @0 :Text;
  unit @1 :Text;
  used @2 :UInt64;
  limit @3 :UInt64;
  counted @4 :Bool;                # `used` is kept
}
