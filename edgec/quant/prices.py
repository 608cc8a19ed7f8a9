"""What keeping units in int16 or float32 costs: every variant is compiled and its figures are compared with all of int8."""

from __future__ import annotations

from typing import Any

from edgec.errors import EdgecError
from edgec.quant.assign import Plan
from edgec.quant.options import Price, Progress, silent
from edgec.quant.qdq import write
from edgec.quant.sensitivity import FORMS, all_int8, kept


def prices(plan: Plan, nodes: list[str], price: Price, progress: Progress = silent) -> dict[str, Any]:
    """Prices of a plan: `int8` with nothing kept, `chosen` as it is, and for each of the nodes what either form adds to `int8`.

    The entries of `nodes`: {"node", "int16": price, "float32": price}, each price the figures more than `int8` has.  A variant that
    cannot be compiled has the price None.
    """
    plain = all_int8(plan)
    total, done = 2 + len(nodes) * len(FORMS), 0

    def priced(variant: Plan) -> dict[str, int] | None:
        nonlocal done
        try:
            found = price(write(variant).model)
        except EdgecError:
            found = None
        done += 1
        progress("prices", done, total)
        return found

    base = priced(plain)
    found = []
    for node in nodes:
        entry: dict[str, Any] = {"node": node}
        for form in FORMS:
            entry[form] = more(priced(kept(plain, {node: form}, bare=True)), base)
        found.append(entry)
    chosen = priced(plan)
    return {"int8": base, "chosen": chosen, "chosen_more": more(chosen, base), "nodes": found}


def more(price: dict[str, int] | None, base: dict[str, int] | None) -> dict[str, int] | None:
    """The figures beyond those of `base`."""
    return None if price is None or base is None else {key: value - base[key] for key, value in price.items()}
