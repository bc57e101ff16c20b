"""A small chart of lines, written as SVG.

Both axes are logarithmic where they are told to be. What is written is the same for the same
figures, so that a picture in the tree changes only when they do.
"""

import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 84


@dataclasses.dataclass
class Line:
    label: str
    color: str
    points: list  # of (x, y); None for y: nothing there
    is_dashed: bool = False


@dataclasses.dataclass
class Axis:
    """A range of values, and those that are written beside it."""

    label: str
    least: float
    most: float
    ticks: list
    is_log: bool = False

    def share(self, value):
        value = min(max(value, self.least), self.most)
        if not self.is_log:
            return (value - self.least) / (self.most - self.least)
        return math.log(value / self.least) / math.log(self.most / self.least)


class Chart:
    def __init__(self, title, x, y):
        self.title, self.x, self.y = title, x, y
        self.lines, self.marks = [], []

    def add(self, line):
        self.lines.append(line)

    def mark(self, y, label):
        """A thin level with a word to it: a goal."""
        self.marks.append((y, label))

    def _at(self, x, y):
        return (LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM))

    def _frame(self):
        for value in self.x.ticks:
            x, bottom = self._at(value, self.y.least)
            yield (f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" class="grid"/>'
                   f'<text x="{x:.1f}" y="{bottom + 16:.1f}" class="mid">{value:g}</text>')
        for value in self.y.ticks:
            left, y = self._at(self.x.least, value)
            yield (f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="grid"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" class="end">{value:g}</text>')
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 34}" class="mid">{escape(self.x.label)}</text>'
        yield (f'<text x="16" y="{middle}" class="mid" transform="rotate(-90 16 {middle})">'
               f'{escape(self.y.label)}</text>')
        yield f'<text x="{LEFT}" y="24" class="title">{escape(self.title)}</text>'

    def _marks(self):
        for value, label in self.marks:
            _, y = self._at(self.x.least, value)
            yield (f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="mark"/>'
                   f'<text x="{WIDTH - RIGHT - 4}" y="{y - 4:.1f}" class="end">{escape(label)}</text>')

    def _lines(self):
        for number, line in enumerate(self.lines):
            dash = ' stroke-dasharray="6 4"' if line.is_dashed else ""
            at = [self._at(x, y) for x, y in line.points if y is not None]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            yield f'<polyline points="{path}" fill="none" stroke="{line.color}" stroke-width="2"{dash}/>'
            for x, y in at:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.color}"/>'
            x = LEFT + (number % 2) * (WIDTH - LEFT - RIGHT) / 2
            y = HEIGHT - 30 + number // 2 * 18
            yield (f'<line x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}" stroke="{line.color}" '
                   f'stroke-width="2"{dash}/><text x="{x + 34}" y="{y}">{escape(line.label)}</text>')

    def write(self, path):
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            "<style>.grid{stroke:#ddd}.mark{stroke:#888;stroke-dasharray:2 3}"
            "text{fill:#222}.mid{text-anchor:middle}.end{text-anchor:end}"
            ".title{font-size:15px;font-weight:bold}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *self._frame(), *self._marks(), *self._lines(), "</svg>"]
        path.write_text("\n".join(parts) + "\n")
