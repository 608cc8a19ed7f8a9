"""GRU, LSTM and RNN as quantized units: which of them have an integer form, and their weights as integers.

Before::

    x -> GRU(W, R, B) -> Y, Y_h

After::

    x -> Q -> DQ -> GRU(DQ(W int8), DQ(R int8), B) -> Q -> DQ -> Y, and the same for Y_h at the scale of Y

W [D, G*H, I] and R [D, G*H, H]: one scale for each row of a gate (axis 1, both directions together).  B, peepholes and constant
initial states stay float: compiled code has them in its own fixed-point formats.
"""

from __future__ import annotations

import onnx_ir as ir

from edgec.graph.view import Array, const_array, input_at, is_const, shape

RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
WEIGHTS = {1: "W", 2: "R"}  # operand -> its name
CONSTANT = (1, 2, 3, 4, 7)  # operands that must not be computed: W, R, B, sequence_lens, P
INTEGER_ACTIVATIONS = {
    "GRU": (("sigmoid", "tanh"),),
    "LSTM": (("sigmoid", "tanh", "tanh"),),
    "RNN": (("tanh",), ("relu",), ("sigmoid",)),
}
LONGEST = 16000  # time steps of an LSTM whose cell is sure to stay in its integer format


def has_integer_form(core: ir.Node) -> bool:
    """Whether the integer step of edgec.ops.recurrent can take the node."""
    if any(v is not None and not is_const(v) for v in (input_at(core, i) for i in CONSTANT)):
        return False
    kinds = INTEGER_ACTIVATIONS[core.op_type]
    each = len(kinds[0])
    given = tuple(name.lower() for name in core.attributes.get_strings("activations", ())) or kinds[0]
    x = core.inputs[0]
    assert x is not None
    time = shape(x)[core.attributes.get_int("layout", 0)]
    same = all(given[i : i + each] == given[:each] for i in range(0, len(given), each))
    return same and given[:each] in kinds and (core.op_type != "LSTM" or time <= LONGEST)


def matrices(core: ir.Node) -> dict[int, Array]:
    """Operand -> its float values, for W and R."""
    found = {i: const_array(input_at(core, i)) for i in WEIGHTS}
    return {i: array for i, array in found.items() if array is not None}


def macs(core: ir.Node) -> int:
    """Multiply-accumulates of all time steps."""
    x = core.inputs[0]
    assert x is not None
    return shape(x)[0] * shape(x)[1] * sum(array.size for array in matrices(core).values())
