@0xd3a1b07c5f2e9468;

# A value that holds others, as it lies in shared memory. docs/format.md, section "Values", says what
# comes before the message, and which values are not messages at all.
#
# The numbers of the union's members are those of shoal::ValueKind. They never change, and nothing is
# renumbered; a kind that is added later gets no member here, see `later`.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("shoal::wire");

struct Value {
  union {
    none @0 :Void;
    bool @1 :Bool;
    int64 @2 :Int64;
    bigint @3 :Data;          # two's complement, least byte first, not a byte more than needed
    double @4 :Float64;
    string @5 :Text;          # UTF-8
    bytes @6 :Data;
    list @7 :List(Value);
    tuple @8 :List(Value);
    set @9 :List(Value);      # in any order
    map @10 :List(Entry);     # any keys, in order
    opaque @11 :Opaque;
    reference @12 :UInt64;    # the id of an object
  }
  # Not 0: a value of this kind, above 12, in the form that it has by itself; its bytes are in `bytes`.
  # So whoever does not know a kind can hand it on unchanged.
  later @13 :UInt8;

  struct Entry {
    key @0 :Value;
    value @1 :Value;
  }

  struct Opaque {
    tag @0 :Text;
    bytes @1 :Data;
  }
}
