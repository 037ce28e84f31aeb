// The table of commands: the one place that names them.
#include "tools/command_list.h"

#include <array>
#include <limits>

namespace shoal::tools {
namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

constexpr std::string_view kDumpDetails =
    "A SharedMemory: its bytes, as they are (refused on a terminal; --hex shows them\n"
    "there). With --json: one object with \"kind\", \"name\", \"size\" and the \"bytes\" in\n"
    "base64.\n"
    "\n"
    "A List or a ShareableList: JSON, one value a line, after a line that says what it\n"
    "is:\n"
    "  {\"kind\":\"List\",\"name\":\"jobs\",\"size\":3}\n"
    "Each line keeps its type:\n"
    "  null             none\n"
    "  true, false      bool\n"
    "  42               int; beyond 2^53 {\"int\":\"9007199254740993\"}\n"
    "  0.5, 1.0, 1e+30  double: always a point or an exponent;\n"
    "                   {\"double\":\"nan\"}, {\"double\":\"inf\"}, {\"double\":\"-inf\"}\n"
    "  \"text\"           string\n"
    "  {\"bytes\":\"AP8=\"}  bytes, in base64\n"
    "Those of a List may also be lists, tuples, sets, maps and so on, as docs/format.md\n"
    "has them, in \"Values in JSON\".\n"
    "\n"
    "A Dict or a Namespace: the same, one [key,value] a line. A TypedDict, too, by its\n"
    "types.\n"
    "\n"
    "A Cell or an Array: the same, each value by its \"type\", which the first line names;\n"
    "values of types that are not numbers, bool or arrays of these as bytes. What only\n"
    "waits and locks has no contents.\n"
    "\n"
    "All but a SharedMemory is loaded back by load-object.";

constexpr Flag kKeyJson = {"--key-json", "", "KEY is JSON, not text"};

constexpr std::string_view kSetDetails =
    "KEY is as get has it. VALUE is JSON, as dump writes it: 42, '\"text\"',\n"
    "'[1,2.5,null]'; with --text it is taken for text as it is. A value that is there is\n"
    "replaced.\n"
    "A List or a ShareableList: the element at INDEX (-1 is the last), which must be\n"
    "there. What a ShareableList was made with is the room that it has for text and\n"
    "bytes.\n"
    "{\"object\":\"ID\"} refers to an object of the arena; ls shows the IDs.";

constexpr std::string_view kLoadDetails =
    "Reads from stdin what dump wrote of a Dict, Namespace, TypedDict, List,\n"
    "ShareableList, Cell or Array, and makes a new object of it: NAME must not be in use.\n"
    "If a line is wrong, or if there are not as many as the first one says, no object\n"
    "stays. What a value refers to must be there.\n"
    "Lines without the first, which says the kind, need --kind; so does a Dict that is to\n"
    "become a Namespace, a List that is to become a ShareableList, or the other way\n"
    "round.\n"
    "An empty one: shoalctl load-object NAME --kind dict </dev/null";

constexpr std::string_view kVerifyDetails =
    "Dicts, TypedDicts, Namespaces and Lists: NAME, or all that have a name in the arena.\n"
    "Attaches for reading only, takes no lock, and keeps nobody from writing. The exit\n"
    "status is 4 if one is damaged. Of a List whose elements others move without a pause\n"
    "nothing can be told: it is refused after half a minute.";

constexpr std::string_view kGetDetails =
    "A Dict, Namespace or TypedDict: its entries, or the value of KEY, which is text\n"
    "unless --key-json says that it is JSON: 42, '{\"tuple\":[1,2]}'. Keys of a TypedDict\n"
    "are of its type: a number, text for u8[N], else hexadecimal digits. With --json:\n"
    "  {\"entries\":[{\"key\":...,\"value\":...},...]}, or {\"value\":...}\n"
    "A List or a ShareableList: its elements, or the one at INDEX (-1 is the last); of a\n"
    "List also a SLICE, as Python has it: 2:5, -3:, ::-1. With --json: {\"values\":[...]},\n"
    "or {\"value\":...}.\n"
    "A SharedMemory: its size and its first 256 bytes. With --json: {\"bytes\":...} in\n"
    "base64, up to 64 KiB.\n"
    "A Cell: its value; an Array: its elements, or the one at INDEX: numbers by their\n"
    "type, others in hexadecimal (with --json in base64). A semaphore: how many permits\n"
    "are free; an event: true if it is set.";

constexpr std::string_view kLocksDetails =
    "Of all arenas, or with --arena of one. Locks, permits and shared holds, barriers with "
    "somebody\n"
    "in them, and whatever else a thread waits for. SINCE is when the first of those who wait "
    "began\n"
    "to. Read from the memory of the processes, so it works while the manager is stopped, and "
    "when\n"
    "it is gone, though without names then, and of every manager. Processes of other users are\n"
    "looked into by root only.";

constexpr std::string_view kDeadlocksDetails =
    "Each circle is one line: who waits for what, held by whom, who waits for what, and so on.\n"
    "The exit status is 0 if there is none, 1 if one was found. Like locks, it needs no manager.";

constexpr std::string_view kWhyDetails =
    "PID and the numbers of threads are those of /proc. Like locks, it needs no manager.";

constexpr std::string_view kSizes = "SIZE is in bytes, or with a unit: 64KiB, 1.5GiB, 2T.";
constexpr std::string_view kModes =
    "MODE is octal, rw for owner, group and others: 0660. r: attach to read; w: change.";

}  // namespace

std::span<const Flag> global_flags() {
  static constexpr std::array<Flag, 4> kFlags = {{
      {"--socket", "PATH", "the manager's socket (else $SHOAL_SOCKET, else the usual places)"},
      {"--arena", "A", "the arena (else $SHOAL_ARENA, else \"default\")"},
      {"--json", "", "answer in JSON"},
      {"--help", "", "say what a command does"},
  }};
  return kFlags;
}

std::span<const Command> commands() {
  static const std::array<Command, 24> kCommands = {{
      {"ls",
       "[PREFIX] [--unnamed]",
       "list the objects of an arena",
       "",
       {{"--unnamed", "",
         "instead those without a name: in use, or in a container as a reference"}},
       0,
       1,
       list_objects},
      {"stat",
       "NAME | --id ID",
       "show one object, and who holds it",
       "",
       {{"--id", "ID", "by number, as ls shows it; also finds objects without a name"}},
       0,
       1,
       stat_object},
      {"get",
       "NAME [KEY | INDEX | SLICE] [--key-json]",
       "show what is in an object",
       kGetDetails,
       {{kKeyJson}},
       1,
       2,
       get},
      {"set",
       "NAME KEY|INDEX VALUE [--key-json] [--text]",
       "put a value under a key of a dict, or in the place of an element of a list",
       kSetDetails,
       {{kKeyJson}, {"--text", "", "VALUE is text, not JSON"}},
       3,
       3,
       set_entry},
      {"dump",
       "NAME [--hex]",
       "write all of an object to stdout",
       kDumpDetails,
       {{"--hex", "", "a SharedMemory's bytes in hexadecimal"}},
       1,
       1,
       dump},
      {"load-object",
       "NAME [--kind KIND]",
       "make an object of what dump wrote, from stdin",
       kLoadDetails,
       {{"--kind", "KIND", "dict, namespace, list or shareable-list: make that of it"}},
       1,
       1,
       load_object},
      {"rm",
       "NAME...",
       "unlink objects: the name goes now, the memory with its last attachment",
       "All are tried; the exit status is 1 if one of them failed.",
       {},
       1,
       kAnyNumber,
       remove_objects},
      {"clients",
       "",
       "list the sessions of a manager",
       "This one is left out. WAITING: of its threads, those that wait for something now; - if "
       "the\n"
       "process may not be looked into. With --json also what its threads have done so far.",
       {},
       0,
       0,
       list_clients},
      {"verify",
       "[NAME]",
       "walk over the structure of dicts and lists and say whether it is sound",
       kVerifyDetails,
       {},
       0,
       1,
       verify},
      {"locks",
       "",
       "show every object that is held or waited for, and by whom",
       kLocksDetails,
       {},
       0,
       0,
       list_locks},
      {"deadlocks",
       "",
       "find threads that wait for each other in a circle",
       kDeadlocksDetails,
       {},
       0,
       0,
       list_deadlocks},
      {"why",
       "PID",
       "show what each thread of a process waits for, and who holds it",
       kWhyDetails,
       {},
       1,
       1,
       why},
      {"managers",
       "",
       "list the live managers of this user; for root, of all users",
       "",
       {},
       0,
       0,
       list_managers},
      {"df",
       "",
       "show memory: of the manager, by arena and by user",
       "Sessions include that of this command.",
       {},
       0,
       0,
       show_usage},
      {"limits", "", "show every limit, and what is used of it", "", {}, 0, 0, list_limits},
      {"arena create",
       "NAME [FLAGS]",
       "create an arena",
       "",
       {{"--mode", "MODE", "octal, rw for owner, group and others; default 0600"},
        {"--quota", "SIZE", "bytes, or 64KiB, 1.5GiB; default: the manager's"},
        {"--owner", "USER", "name or uid; default: the caller"},
        {"--group", "GROUP", "name or gid; default: the caller's"}},
       1,
       1,
       create_arena},
      {"arena ls", "", "list the arenas that the caller has rights in", "", {}, 0, 0, list_arenas},
      {"arena stat", "NAME", "show one arena", "", {}, 1, 1, stat_arena},
      {"arena chmod",
       "NAME MODE",
       "change who may use an arena from now on",
       kModes,
       {},
       2,
       2,
       chmod_arena},
      {"arena quota",
       "NAME SIZE",
       "change how much memory an arena may use",
       kSizes,
       {},
       2,
       2,
       set_arena_quota},
      {"arena rm", "NAME", "remove an arena that is empty", "", {}, 1, 1, remove_arena},
      {"ping", "", "ask whether the manager answers", "", {}, 0, 0, ping},
      {"version",
       "",
       "show the versions of this program and of the manager",
       "",
       {},
       0,
       0,
       version},
      {"help", "[COMMAND]", "say what a command does", "", {}, 0, 2, help},
  }};
  return kCommands;
}

}  // namespace shoal::tools
