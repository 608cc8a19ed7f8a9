"""Rings of one segment that may lie in the same bytes, because their rows are never alive together.

In a pull pipeline a step runs just before whoever pulled it, so the rows it made are read at once: most rings of a segment hold something
only between two neighbouring calls.  Derived by walking the calls; nothing is assumed about operators.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from edgec.ir.program import Program, Segment
from edgec.ir.pull import Arrival, calls, rows_read, signature

Spans = list[tuple[int, int]]
"""Calls (first, last) during which a buffer holds rows that are still read; apart, in order."""

_known: dict[Hashable, list[list[int]]] = {}
_MOST = 512  # segments remembered: schedules are compared by placing much the same segments again and again


def shared(program: Program, life: Mapping[str, tuple[int, int]]) -> list[list[str]]:
    """Groups of two and more buffers that can share their bytes, the largest of each first.  life: stored buffer -> segments of its life."""
    found = []
    for index, segment in enumerate(program.segments):
        if len(segment.steps) < 3:
            continue
        shape, names = signature(program, segment)
        made = {program.step_by_name[name].output for name in segment.steps}
        inner = [name for name in names if life.get(name) == (index, index) and name in made]
        key = shape, tuple(name in inner for name in names)
        if key not in _known:
            if len(_known) >= _MOST:
                _known.clear()
            _known[key] = _groups(program, segment, {names.index(name): name for name in inner})
        found += [[names[number] for number in group] for group in _known[key]]
    return found


def _groups(program: Program, segment: Segment, inner: Mapping[int, str]) -> list[list[int]]:
    """First fit, large buffers first: numbers of buffers that are never alive together."""
    alive = _alive(program, segment, set(inner.values()))
    groups: list[tuple[list[int], list[Spans]]] = []
    for number, name in sorted(inner.items(), key=lambda item: (-program.by_name[item[1]].bytes, item[0])):
        for members, spans in groups:
            if not any(meet(alive[name], other) for other in spans):
                members.append(number)
                spans.append(alive[name])
                break
        else:
            groups.append(([number], [alive[name]]))
    return [members for members, _ in groups if len(members) > 1]


def _alive(program: Program, segment: Segment, inner: set[str]) -> dict[str, Spans]:
    """When each inner buffer holds rows that some call still reads."""
    order = [call for call in calls(program, segment) if not isinstance(call, Arrival)]
    written: dict[str, dict[int, int]] = {name: {} for name in inner}
    read: dict[str, dict[int, int]] = {name: {} for name in inner}
    for when, call in enumerate(order):
        for index, source in enumerate(call.step.inputs):
            base = program.base(source).name
            if base in inner:
                for first, last in rows_read(program, call, index):
                    read[base].update(dict.fromkeys(range(first, last + 1), when))
        if call.step.output in inner:
            for row in range(call.first, call.stop):
                written[call.step.output].setdefault(row, when)
    return {name: _merged([(w, read[name].get(row, w)) for row, w in written[name].items()]) for name in inner}


def _merged(spans: Spans) -> Spans:
    found: Spans = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def meet(one: Spans, two: Spans) -> bool:
    """Whether some call falls into both."""
    i = j = 0
    while i < len(one) and j < len(two):
        if one[i][0] <= two[j][1] and two[j][0] <= one[i][1]:
            return True
        if one[i][1] < two[j][1]:
            i += 1
        else:
            j += 1
    return False
