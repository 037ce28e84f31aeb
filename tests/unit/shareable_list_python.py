# The stdlib's side of shareable_list_python_test.cc: obeys one line after the other.
#   make NAME VALUE...     creates a ShareableList          -> ok
#   read NAME              reads one, whoever made it       -> VALUE...
#   set NAME INDEX VALUE   sets an element                  -> ok
#   drop NAME              unlinks                          -> ok
# A VALUE is a word of value_words.py.
# What went wrong is answered as: error TYPE.
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import ShareableList, SharedMemory

from value_words import parse, write

# The tracker would unlink, at our exit, segments that the other side made.
resource_tracker.register = lambda *ignored: None
resource_tracker.unregister = lambda *ignored: None


def obey(command, name, *rest):
    if command == "drop":
        segment = SharedMemory(name=name)
        segment.close()
        segment.unlink()
        return "ok"
    if command == "make":
        shared = ShareableList([parse(word) for word in rest], name=name)
    else:
        shared = ShareableList(name=name)
    try:
        if command == "read":
            return " ".join(write(shared[i]) for i in range(len(shared)))
        if command == "set":
            shared[int(rest[0])] = parse(rest[1])
        return "ok"
    finally:
        shared.shm.close()


for line in sys.stdin:
    try:
        answer = obey(*line.split())
    except Exception as error:
        answer = f"error {type(error).__name__}"
    print(answer, flush=True)
