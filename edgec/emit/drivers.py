"""Segments as C: one loop for a single step, one small `until` function for each tensor of a pull pipeline."""

from __future__ import annotations

import re

from edgec.emit.literals import C_TYPES
from edgec.emit.names import c_name
from edgec.emit.parts import Parts, StepParts, pad_value
from edgec.ir.program import Buffer, Program, Segment, scratch_layout
from edgec.ir.reach import All, Run, Table, Window


class Drivers:
    """Writes the step wrappers and the segment functions of one program."""

    def __init__(self, program: Program, parts: Parts, tables: dict[tuple[int, int], str]) -> None:
        self.program = program
        self.prefix = program.name
        self.parts = {part.step.name: part for part in parts.steps}
        self.pads = parts.pads
        self.tables = tables
        self.buffers = program.by_name
        self.slots = {name: slot for segment in program.segments for slot, name in enumerate(segment.steps)}

    # -- addresses ------------------------------------------------------------------------------------------------------------

    def ctype(self, buffer: Buffer) -> str:
        return C_TYPES[buffer.dtype]

    @property
    def counter(self) -> str:
        """C type of a row counter: as small as the tallest tensor allows."""
        return "int16_t" if all(b.rows < 32000 for b in self.program.buffers) else "int32_t"

    def counters(self) -> int:
        """Counters that the longest pipeline needs; 0 where there is none."""
        return max((len(s.steps) for s in self.program.segments if len(s.steps) > 1 or s.push), default=0)

    def address(self, name: str) -> str:
        """Macro that is the base address of a buffer's own bytes, typed."""
        return f"{self.prefix}_b_{name}"

    def macros(self) -> list[str]:
        """One `#define` for each buffer; views take the address of what they view."""
        lines = []
        offsets = self.program.offsets
        where = {p.buffer: self.memory(p.offset) for p in self.program.places}
        for segment in self.program.segments:
            for name, offset in scratch_layout(self.program, segment)[0].items():
                where[name] = self.scratch(segment, offset)
        for b in self.program.buffers:
            base = self.program.base(b.name)
            shape = "x".join(map(str, b.shape)) or "scalar"
            kind = f"ring of {base.stored_rows} rows" if not base.is_full else f"{b.rows} rows"
            span = self.span(offsets[base.name], base.bytes) if base.name in offsets else "scratch"
            quant = f", real = {b.quant.scale:.6g} * (q - {b.quant.zero_point})" if b.quant else ""
            lines.append(f"/* {b.name}: {b.dtype} [{shape}], {kind} of {b.row_bytes} bytes, {span}{quant} */")
            lines.append(f"#define {self.address(b.name)} (({self.ctype(b)} *)(void *)({where[base.name]}))")
        return lines

    def memory(self, offset: int) -> str:
        """C: the address of an offset in the arena, as a pointer to bytes."""
        region = self.program.region_at(offset)
        return f"{self.prefix}_mem{f'_{c_name(region.name)}' if region.name else ''} + {offset - region.start}"

    def span(self, offset: int, size: int) -> str:
        """Where bytes of the arena lie, in words."""
        region = self.program.region_at(offset)
        first = offset - region.start
        return f"bytes {first}..{first + size}{f' of {region.name}' if region.name else ''}"

    def scratch(self, segment: Segment, offset: int) -> str:
        if segment.scratch_offset >= 0:
            return self.memory(segment.scratch_offset + offset)
        return f"{self.prefix}_scratch + {offset}"

    def row(self, name: str, index: str) -> str:
        """Pointer to a row of a buffer, as it is stored."""
        base = self.program.base(name)
        if base.tile:
            return self.address(name)
        slot = index if base.is_full else f"(({index}{_more(base.shift)}) % {base.stored_rows})"
        return f"{self.address(name)} + ({slot}) * {self.buffers[name].row_elements}"

    # -- steps ------------------------------------------------------------------------------------------------------------------

    def taps(self, part: StepParts, index: int, y: str, group: int) -> tuple[list[str], str]:
        """Statements that fill a local array of row pointers, and the array's name."""
        at, reach, name = part.site, part.step.reach[index], f"rows{index}"
        source = at.inputs[index]
        ctype = self.ctype(source)
        if isinstance(reach, Table):
            table = self.tables[(part.index, index)]
            one = self.row(source.name, f"{table}[2 * ({y})]")
            two = self.row(source.name, f"{table}[2 * ({y}) + 1]")
            return [f"const {ctype} *const {name}[2] = {{ {one}, {two} }};"], name
        if isinstance(reach, Run):
            return [f"const {ctype} *const {name}[1] = {{ {self.row(source.name, y)} }};"], name
        if not isinstance(reach, Window):
            raise ValueError(f"{part.step.name}: kernel {part.kernel.name} wants taps of an input it reads whole")
        count = reach.kernel + (group - 1) * reach.stride // reach.dilation
        pad = "NULL"
        if part.kernel.access_of(index) == "taps":
            pad = self.pads.get((source.dtype, pad_value(at, index)), "NULL")
        owner = self.program.base(source.name)
        stored = source.rows if owner.is_full else owner.stored_rows  # a view may cut the same bytes into other rows
        image = "0" if reach.height == source.rows else f"{y} / {reach.out_height}"
        inside = y if reach.height == source.rows else f"{y} % {reach.out_height}"
        return [
            f"const {ctype} *{name}[{count}];",
            f"edgec_taps_{ctype}({name}, {self.address(source.name)}, {pad}, ({inside}) * {reach.stride} - {reach.pad}, {reach.dilation},"
            f" {count}, {reach.height}, ({image}) * {reach.height}{_more(0 if owner.is_full else owner.shift)}, {stored}, {source.row_elements});",
        ], name

    def wrapper(self, part: StepParts, segment: Segment) -> str:
        """The noinline function that is one call of a step, from output row y on: its symbol is what instruction counts are booked on.

        It finds its rows itself, so that a pipeline, which calls itself down to its first step, keeps nothing but counters on the stack.
        """
        at, group = part.site, part.step.group or part.site.output.rows
        lines, passed = [], [f"&{part.params}"]
        for i, source in enumerate(at.inputs):
            access, reach = part.kernel.access_of(i), part.step.reach[i]
            if access.startswith("taps"):
                made, name = self.taps(part, i, "y", group)
                lines += made
                passed.append(name)
            elif access == "all" or isinstance(reach, All):
                passed.append(self.address(source.name))
            elif isinstance(reach, Table):
                passed.append(self.row(source.name, f"{self.tables[(part.index, i)]}[2 * y]"))
            elif isinstance(reach, Window):
                raise ValueError(
                    f"{part.step.name}: kernel {part.kernel.name} takes a run where the step needs a window"
                )
            else:
                passed.append(self.row(source.name, "y"))
        lines.append(f"{self.ctype(at.output)} *const out = {self.row(at.output.name, 'y')};")
        passed.append("out")
        if part.kernel.scratch is not None:
            passed.append(self.scratch(segment, scratch_layout(self.program, segment)[1]))
        rows = self.rows_made(part, group)
        if part.step.shift:
            lines = [f"const int rows = {rows};", "y = y < 0 ? 0 : y;", *lines]
            rows = "rows"
        if part.kernel.units is not None:
            passed.append(f"{rows} * {part.kernel.units(at)}")
        if part.kernel.row:
            passed.append("y")
        lines.append(f"{part.function}({', '.join(passed)});")
        if not any(re.search(r"\by\b", line) for line in lines):
            lines.insert(0, "(void)y;")
        lines.append(f"EDGEC_TRACE({part.index}, y, out, {rows} * {at.output.row_bytes});")
        body = "".join(f"    {line}\n" for line in lines)
        return f"static EDGEC_NOINLINE void {part.symbol}(int y)\n{{\n{body}}}\n"

    def rows_made(self, part: StepParts, rows: int) -> str:
        """C expression: rows that the call at y makes; the last group of a tensor may be a smaller one."""
        total, shift = part.site.output.rows, part.step.shift
        if (total + shift) % rows == 0 and not shift:
            return str(rows)
        if part.kernel.units is None:
            raise ValueError(
                f"{part.step.name}: kernel {part.kernel.name} makes {rows} rows a call, {total} rows are no multiple of that"
            )
        whole = f"({total} - y < {rows} ? {total} - y : {rows})" if (total + shift) % rows else str(rows)
        return f"(y < 0 ? {rows - shift} : {whole})" if shift else whole

    # -- segments ---------------------------------------------------------------------------------------------------------------

    def segment(self, index: int, segment: Segment) -> str:
        """The C of one segment."""
        members = [self.parts[name] for name in segment.steps]
        head = "\n".join(self.wrapper(part, segment) for part in members)
        name = f"{self.prefix}_segment_{index:03d}"
        what = " -> ".join(f"{part.step.op}" for part in members)
        if len(members) == 1 and not segment.push:
            part = members[0]
            total = part.site.output.rows
            if part.step.group == 0 or total == 1:
                body = [f"    {part.symbol}(0);"]
            else:
                group = part.step.group
                loop = (
                    f"int y = {total - group}; y >= 0; y -= {group}"
                    if segment.reverse
                    else f"int y = {-part.step.shift}; y < {total}; y += {group}"
                )
                body = [f"    for ({loop}) {{", f"        {part.symbol}(y);", "    }"]
            return f"{head}\n/* {what} */\nstatic EDGEC_NOINLINE void {name}(void)\n{{\n" + "\n".join(body) + "\n}\n"
        kind = "driven by input rows" if segment.push else "a pull pipeline"
        return f"{head}\n/* {what}: {kind} */\n" + self.pipeline(name, members, segment)

    def pipeline(self, name: str, members: list[StepParts], segment: Segment) -> str:
        """Several steps: a counter and an `until` function for each tensor, and a driver that pulls the ends (or feeds the front)."""
        reverse = segment.reverse
        makers = {part.step.output for part in members}
        out: list[str] = []
        out.append("")
        for part in members:
            total, group = part.site.output.rows, part.step.group
            size = total if group == 0 else group
            lines = [f"static EDGEC_NOINLINE void {self.until(part.step.output)}(int rows)", "{"]
            step = f"{self.made(part)} = ({self.counter})({self.made(part)} + {size})"
            lines.append(f"    for (; {self.made(part)} < rows; {step}) {{")
            lines.append(f"        const int y = {f'{total - size} - ' if reverse else ''}{self.made(part)};")
            for i, source in enumerate(part.step.inputs):
                base = self.program.base(source).name
                if base in makers and base != part.step.output:
                    lines.append(f"        {self.until(base)}({self.demand(part, i, size, reverse)});")
            lines += [f"        {part.symbol}(y);", "    }", "}", ""]
            out += lines
        if segment.push:
            return "\n".join([*out, *self.push(name, members)])
        read = {self.program.base(n).name for part in members for n in part.step.inputs if n != part.step.output}
        out += [f"static EDGEC_NOINLINE void {name}(void)", "{"]
        out += [f"    {self.made(part)} = {-part.step.shift};" for part in members]
        ends = [p for p in members if p.step.output not in read]
        ends += [p for p in members if p.step.output in read and p.site.output.is_full]
        out += [f"    {self.until(p.step.output)}({p.site.output.rows});" for p in ends]
        return "\n".join([*out, "}", ""])

    def push(self, name: str, members: list[StepParts]) -> list[str]:
        """The driver of a pushed segment: what can exist now, then the last step first, which pulls what it lacks."""
        source = self.program.inputs[0].buffer
        out = [f"static int {self.prefix}_arrived;", "", f"static void {self.prefix}_restart(void)", "{"]
        out += [f"    {counter} = 0;" for counter in (f"{self.prefix}_arrived", *(self.made(part) for part in members))]
        out += ["}", "", f"static void {name}(void)", "{"]  # called once, by push_row: inlined, a frame less
        counts = {source: f"{self.prefix}_arrived"}
        for part in members:
            count, total, group = f"can_{part.step.output}", part.site.output.rows, part.step.group
            limits = [
                self.ready(part, i, counts[base])
                for i, base in enumerate(self.program.base(read.name).name for read in part.site.inputs)
                if base in counts
            ]
            text = limits[0] if limits else str(total)
            for limit in limits[1:]:
                text = f"edgec_min({text}, {limit})"
            out.append(f"    const int {count} = {text};")
            if group > 1:
                counts[part.step.output] = f"{count}_whole"
                out.append(f"    const int {count}_whole = {count} < {total} ? {count} / {group} * {group} : {count};")
            else:
                counts[part.step.output] = count
        out += [f"    {self.until(part.step.output)}({counts[part.step.output]});" for part in reversed(members)]
        return [*out, "}", ""]

    def ready(self, part: StepParts, index: int, made: str) -> str:
        """C expression: output rows that can be made once `made` rows of input `index` exist."""
        reach, source = part.step.reach[index], part.site.inputs[index]
        base, total = self.program.base(source.name), part.site.output.rows
        if source.rows != base.rows or isinstance(reach, All) or part.step.group == 0:
            return f"({made} >= {base.rows} ? {total} : 0)"
        if isinstance(reach, Run):
            return made
        if isinstance(reach, Table):
            return f"edgec_ready_table({self.tables[(part.index, index)]}, {self.made(part)}, {total}, {made})"
        behind = reach.pad - (reach.kernel - 1) * reach.dilation - 1
        return f"edgec_ready({made}, {reach.height}, {behind}, {reach.stride}, {reach.out_height})"

    def made(self, part: StepParts) -> str:
        """Counter of rows made; segments run one after another and share the counters."""
        return f"{self.prefix}_made[{self.slots[part.step.name]}]"

    def until(self, buffer: str) -> str:
        return f"{self.prefix}_until_{buffer}"

    def demand(self, part: StepParts, index: int, size: int, reverse: bool) -> str:
        """C expression: rows of input `index` that must exist before this call."""
        reach, source = part.step.reach[index], part.site.inputs[index]
        base = self.program.base(source.name)
        if source.rows != base.rows or isinstance(reach, All) or part.step.group == 0:
            return str(base.rows)
        if reverse:
            return f"{base.rows} - ({self.oldest(part, index)})"
        last = "y" if size == 1 else f"(y + {size - 1})"
        if (part.site.output.rows + part.step.shift) % size:
            last = f"edgec_clamp(y + {size - 1}, 0, {part.site.output.rows - 1})"
        if isinstance(reach, Run):
            return f"{last} + 1"
        if isinstance(reach, Table):
            return f"{self.tables[(part.index, index)]}[2 * {last} + 1] + 1"
        image = "0" if reach.height == source.rows else f"({last} / {reach.out_height}) * {reach.height}"
        inside = last if reach.height == source.rows else f"({last} % {reach.out_height})"
        end = (reach.kernel - 1) * reach.dilation + 1 - reach.pad
        return f"{image} + edgec_clamp({inside} * {reach.stride} + {end}, 1, {reach.height})"

    def oldest(self, part: StepParts, index: int) -> str:
        """C expression: the first row of input `index` that output row y needs."""
        reach, source = part.step.reach[index], part.site.inputs[index]
        if isinstance(reach, Run):
            return "y"
        if not isinstance(reach, Window):
            raise ValueError(f"{part.step.name} cannot run backwards in a pipeline")
        image = "0" if reach.height == source.rows else f"(y / {reach.out_height}) * {reach.height}"
        inside = "y" if reach.height == source.rows else f"(y % {reach.out_height})"
        return f"{image} + edgec_clamp({inside} * {reach.stride} - {reach.pad}, 0, {reach.height - 1})"


def _more(shift: int) -> str:
    """C: an index moved by the shift of its ring."""
    return f" + {shift}" if shift else ""
