# Python's side of key_encoding_python_test.cc: what it says of keys, one after the other.
#   key KEY        -> NUMBER        equal keys, and only those, have one number, as in a dict
#   repr KEY       -> HEX of repr(), in UTF-8
#   word LITERAL   -> KEY           a key as it is written in Python
# A key is none, true, false, i:INT, d:FLOAT.HEX, s:UTF8-IN-HEX, b:BYTES-IN-HEX, or (KEY,KEY,...).
import math
import sys

numbers = {}


def parse_tuple(text):
    parts = []
    while text[0] != ")":
        part, text = parse(text)
        parts.append(part)
        if text[0] == ",":
            text = text[1:]
    return tuple(parts), text[1:]


def parse(text):
    """The key at the beginning, and what follows it."""
    if text[0] == "(":
        return parse_tuple(text[1:])
    end = min((at for at in (text.find(","), text.find(")")) if at >= 0), default=len(text))
    return parse_word(text[:end]), text[end:]


def parse_word(word):
    fixed = {"none": None, "true": True, "false": False}
    if word in fixed:
        return fixed[word]
    kind, _, rest = word.partition(":")
    if kind == "i":
        return int(rest)
    if kind == "d":
        return float.fromhex(rest)
    data = bytes.fromhex(rest)
    return data.decode("utf-8") if kind == "s" else data


def write(key):
    if isinstance(key, tuple):
        return "(" + ",".join(write(part) for part in key) + ")"
    fixed = {type(None): "none", bool: "true" if key else "false"}
    if type(key) in fixed:
        return fixed[type(key)]
    if isinstance(key, int):
        return f"i:{key}"
    if isinstance(key, float):
        return f"d:{key.hex()}"
    return "s:" + key.encode("utf-8").hex() if isinstance(key, str) else "b:" + key.hex()


def obey(command, text):
    if command == "word":
        return write(eval(text, {"inf": math.inf}))
    key, _ = parse(text)
    if command == "key":
        return numbers.setdefault(key, len(numbers))
    return repr(key).encode("utf-8").hex()


for line in sys.stdin:
    command, _, text = line.rstrip("\n").partition(" ")
    print(obey(command, text), flush=True)
