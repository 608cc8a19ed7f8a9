"""Reach: which input rows one output row needs.

The one primitive of edgec.  Rings, trails, lifetimes and overlap all derive from `rows(y)`; no planner and no emitter knows what a
convolution is.  Every step carries one Reach for each of its inputs.

    Run     output row y needs input row y                          elementwise, 1x1 convolution, dense on tokens
    Window  output row y needs rows y*stride - pad ...              convolution, pooling
    All     every output row needs every input row                  transpose, global pool, dense over a flattened image
    Table   output row y needs rows first[y] .. last[y]             resize, slice, concatenation along rows
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Output row y needs exactly input row y."""

    height: int

    def rows(self, y: int) -> tuple[int, int]:
        """First and last input row that output row y needs (inclusive)."""
        return y, y

    def demand(self, y: int) -> int:
        """Input rows that must exist before output row y is made (a pull pipeline makes no more than that)."""
        return y + 1

    def ready(self, made: int) -> int:
        """The other way round: output rows that can be made once that many input rows exist."""
        return made

    def oldest(self, y: int) -> int:
        """The mirror of demand: from this input row to the last, all must exist when rows are made from the last to the first."""
        return y

    def taps(self, y: int) -> tuple[int | None, ...]:
        """The input rows of output row y, one for each kernel tap; None where a tap lies in the padding."""
        return (y,)


@dataclass(frozen=True)
class Window:
    """Output row y needs `kernel` input rows, `dilation` apart, from `y*stride - pad`; images of a batch lie behind one another.

    height: input rows of one image; out_height: output rows of one image.
    """

    height: int
    out_height: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    pad: int = 0

    def rows(self, y: int) -> tuple[int, int]:
        present = [row for row in self.taps(y) if row is not None]
        if (
            not present
        ):  # a window wholly in the padding needs nothing; name the nearest row so that ranges stay ordered
            image, r = divmod(y, self.out_height)
            nearest = min(max(r * self.stride - self.pad, 0), self.height - 1) + image * self.height
            return nearest, nearest
        return present[0], present[-1]

    def demand(self, y: int) -> int:
        image, r = divmod(y, self.out_height)
        end = r * self.stride - self.pad + (self.kernel - 1) * self.dilation + 1
        return image * self.height + min(max(end, 1), self.height)

    def ready(self, made: int) -> int:
        image, rows = divmod(made, self.height)
        behind = rows + self.pad - (self.kernel - 1) * self.dilation - 1
        inside = 0 if rows < 1 or behind < 0 else min(behind // self.stride + 1, self.out_height)
        return image * self.out_height + inside

    def oldest(self, y: int) -> int:
        image, r = divmod(y, self.out_height)
        return image * self.height + min(max(r * self.stride - self.pad, 0), self.height - 1)

    def taps(self, y: int) -> tuple[int | None, ...]:
        image, r = divmod(y, self.out_height)
        top = r * self.stride - self.pad
        rows = (top + k * self.dilation for k in range(self.kernel))
        return tuple(row + image * self.height if 0 <= row < self.height else None for row in rows)


@dataclass(frozen=True)
class All:
    """Every output row needs all `height` input rows."""

    height: int

    def rows(self, y: int) -> tuple[int, int]:
        return 0, self.height - 1

    def demand(self, y: int) -> int:
        return self.height

    def ready(self, made: int) -> int:
        return 1 << 30 if made >= self.height else 0

    def oldest(self, y: int) -> int:
        return 0

    def taps(self, y: int) -> tuple[int | None, ...]:
        return tuple(range(self.height))


@dataclass(frozen=True)
class Table:
    """Output row y needs input rows first[y] .. last[y]; first > last says that it needs none."""

    first: tuple[int, ...]
    last: tuple[int, ...]

    def rows(self, y: int) -> tuple[int, int]:
        return self.first[y], self.last[y]

    def demand(self, y: int) -> int:
        return self.last[y] + 1

    def ready(self, made: int) -> int:
        return next((y for y, last in enumerate(self.last) if last >= made), len(self.last))

    def oldest(self, y: int) -> int:
        return self.first[y]

    def taps(self, y: int) -> tuple[int | None, ...]:
        return (self.first[y], self.last[y])


Reach = Run | Window | All | Table
