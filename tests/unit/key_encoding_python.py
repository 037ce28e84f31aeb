# Python's side of key_encoding_python_test.cc: what it says of keys, one after the other.
#   key KEY        -> NUMBER        equal keys, and only those, have one number, as in a dict
#   repr KEY       -> HEX of repr(), in UTF-8
#   word LITERAL   -> KEY           a key as it is written in Python
# A KEY is a word of value_words.py.
import math
import sys

from value_words import parse, write

numbers = {}


def obey(command, text):
    if command == "word":
        return write(eval(text, {"inf": math.inf}))
    key = parse(text)
    if command == "key":
        return numbers.setdefault(key, len(numbers))
    return repr(key).encode("utf-8").hex()


for line in sys.stdin:
    command, _, text = line.rstrip("\n").partition(" ")
    print(obey(command, text), flush=True)
