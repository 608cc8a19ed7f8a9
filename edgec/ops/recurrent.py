"""GRU, LSTM and RNN over a whole sequence: one step for all time steps and directions, the state kept in scratch.

    RNN    h' = f(x W + h R + b)                                                              f: Tanh, Relu, Sigmoid, ...
    GRU    z, r = f(x W + h R + b)    n = g(x Wn + (r h) Rn + bn)   or, linear_before_reset,  n = g(x Wn + bn + r (h Rn + cn))
           h' = (1 - z) n + z h
    LSTM   i, o, f = f(x W + h R + b + p c)    c' = f c + i g(x Wc + h Rc + bc)    h' = o h(c')    (p: peepholes; o sees c')

x: [T,N,I], as stored with steps x_t, x_n.  Output: what is used of Y [T,N,D,H] (or [N,T,D,H]), the last h and the last c [D,N,H], one
behind the other; more than one of them is cut apart by slices.  weights: w [D,G*H,I], r [D,G*H,H] in the gate order of ONNX.
float32: as onnxruntime does it.  `clip` limits what enters f and g; neither the cell of an LSTM nor what enters h.

int8 (x, W, R and all used outputs quantized; activations those that ONNX takes by default, RNN also Relu and Sigmoid), integers only.
Q(k): real = integer / 2^k.  Every >> floors.  R(v, k) = (v + (2^k >> 1)) >> k, round half up.
* pre-activations a: Q(16), int32.  scaled(acc, m, k) = clamp(R(acc * m, k), -2^28, 2^28), 64-bit product, m < 2^30, one k for a matrix.
  ax = scaled(sum w * (x - zx), mx, nx), ah = scaled(sum r * h, mr, nr), bias = round_half_even(b * 2^16) within 2^28;
  a = clamp(bias + ax + ah, -limit, limit), limit = min(16 * 2^16, clip * 2^16); for Relu 2^30 instead of 16 * 2^16.
* table[k] = min(65535, floor(65536 * sigmoid(k / 32) + 1/2)), k = 0 .. 512.  v = min(|a|, 2^20 - 1), i = v >> 11, j = v & 2047:
  s = table[i] + R((table[i + 1] - table[i]) * j, 11); sigmoid(a) = s if a >= 0 else 65536 - s in Q(16); tanh(a) = sigmoid(2 a) - 32768 in Q(15).
* h: int16 in Q(e), |h| <= top; e = 15 unless the initial state or Relu reach beyond 1 (Relu: twice what the output can represent), or
  the accumulators would leave int32.  c: int32 in Q(q), 16 <= q <= 20, so that T + |initial c| fits: it never saturates.
* GRU   rh = R(r * h, 16), or a = bias + ax + R(r * (cn + ah), 16);  h' = R(z * h + (65536 - z) * R(n, 15 - e), 16)
* LSTM  c' = R(f * c + (i * g << (q - 15)), 16);  h' = R(o * tanh(clamp(R(c', q - 16), -2^20, 2^20)), 31 - e);  peephole: scaled(c, mp, np)
* RNN   h' = R(tanh(a), 15 - e), R(sigmoid(a), 16 - e) or R(max(a, 0), 16 - e)
  then always h' = clamp(h', -top, top).
* outputs: clamp(z + R(h * m, n), -128, 127), m < 2^30; the same of c for Y_c.  An initial state that the model computes (int8):
  clamp(R((q - z) * m, n), -top, top); a constant one is rounded half to even.
Refused: sequence_lens other than T, weights that are no constants, accumulators beyond 32 bits.
Source: ONNX operator specification (GRU-14, LSTM-14, RNN-14).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edgec.ir.program import Array, Site
from edgec.ops._recurrent_float import run_float
from edgec.ops._recurrent_int import run_int
from edgec.ops._recurrent_lower import GATES, lower_recurrent
from edgec.ops.base import Lowering, Op, Tensor, Unit


class Recurrent(Op):
    """Common part."""

    def lower_all(self, unit: Unit, ctx: Lowering) -> list[Tensor]:
        return lower_recurrent(unit, ctx, self.name)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        return self.lower_all(unit, ctx)[0]

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        run = run_float if site.output.dtype == "float32" else run_int
        return run(site, rows).reshape(site.output.rows, -1)[y0:y1]

    def macs(self, site: Site) -> int:
        time, batch, inputs, hidden = (site.int(n) for n in ("time", "batch", "inputs", "hidden"))
        return time * batch * site.int("dirs") * GATES[self.name] * hidden * (inputs + hidden)


class Gru(Recurrent):
    """ONNX GRU, linear_before_reset 0 and 1."""

    name: ClassVar[str] = "gru"
    onnx: ClassVar[tuple[str, ...]] = ("GRU",)


class Lstm(Recurrent):
    """ONNX LSTM with or without peepholes, also with coupled input and forget gates."""

    name: ClassVar[str] = "lstm"
    onnx: ClassVar[tuple[str, ...]] = ("LSTM",)


class Rnn(Recurrent):
    """ONNX RNN."""

    name: ClassVar[str] = "rnn"
    onnx: ClassVar[tuple[str, ...]] = ("RNN",)


OPS = (Gru(), Lstm(), Rnn())
