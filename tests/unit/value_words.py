# How values go between a test and its Python process, one word each (python_process.h):
# none, true, false, i:INT, d:FLOAT.HEX, s:UTF8-IN-HEX, b:BYTES-IN-HEX, or (WORD,WORD,...).


def take(text):
    """The value at the beginning, and what follows it."""
    if text[0] == "(":
        return take_tuple(text[1:])
    end = min((at for at in (text.find(","), text.find(")")) if at >= 0), default=len(text))
    return parse_scalar(text[:end]), text[end:]


def take_tuple(text):
    parts = []
    while text[0] != ")":
        part, text = take(text)
        parts.append(part)
        if text[0] == ",":
            text = text[1:]
    return tuple(parts), text[1:]


def parse_scalar(word):
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


def parse(word):
    return take(word)[0]


def write(value):
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "(" + ",".join(write(part) for part in value) + ")"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"i:{value}"
    if isinstance(value, float):
        return f"d:{value.hex()}"
    if isinstance(value, str):
        return "s:" + value.encode("utf-8").hex()
    return "b:" + value.hex()
