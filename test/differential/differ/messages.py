"""Messages as short lists that can be printed, and as bytes.

    ["Q", text]  ["P", name, text, types]  ["B", portal, statement, values]
    ["D", "S" or "P", name]  ["E", portal, rows]  ["C", "S" or "P", name]  ["H"]  ["S"]
    ["d", data]  ["c"]  ["f", reason]  ["F", function, values]  ["X"]
"""

from harness import wire

MAKERS = {
    "Q": wire.query,
    "P": lambda name, text, types=(): wire.parse(text, name, types),
    "B": lambda portal, name, values=(): wire.bind(values, name, portal),
    "D": wire.describe,
    "E": lambda portal="", rows=0: wire.execute(portal, rows),
    "C": wire.close,
    "H": wire.flush,
    "S": wire.sync,
    "d": lambda data: wire.copy_data(data.encode()),
    "c": wire.copy_done,
    "f": wire.copy_fail,
    "F": lambda oid, values=(): wire.function_call(oid, *values),
    "X": wire.terminate,
}

NOBODY = "nobody has a statement of this name"
# Four answers in a row that nothing else gives, and that change nothing.
MARK = [["C", "S", NOBODY]] * 4


def encode(messages):
    return b"".join(MAKERS[m[0]](*m[1:]) for m in messages)


class Ending:
    """What must be sent behind some messages, and how the last answer is known.

    Every Sync, Query and FunctionCall ends with a ReadyForQuery, except those that the
    server skips after an error or ignores in COPY. Where that can happen, and where
    there is a Flush at the end, a mark is put behind them.
    """

    def __init__(self, messages, is_open):
        """is_open: a batch was begun before and has not seen its Sync."""
        self.ready = 0
        self.tail = []
        self.is_open = is_open
        is_sure = not any(m[0] in "dcf" for m in messages)
        for m in messages:
            if m[0] in "QF":
                is_sure = is_sure and not self.is_open
            if m[0] in "QFS":
                self.ready += 1
            if m[0] == "S":
                self.is_open = False
            elif m[0] in "PBDEC":
                self.is_open = True
        last = messages[-1][0] if messages else ""
        if last == "H" and self.is_open:
            self.kind, self.tail = "flush", MARK + [["H"]]
            return
        if not is_sure:
            self.kind, self.tail = "mark", [["S"]] + MARK + [["S"]]
        else:
            self.kind = "count"
            if self.is_open or not self.ready:
                self.tail, self.ready = [["S"]], self.ready + 1
        self.is_open = False
