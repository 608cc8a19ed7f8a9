"""The normal form: a fixed list of passes, run until none of them finds anything to do."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgec.graph import activation, affine, fold, gemm, movement, window
from edgec.graph.attention import spell_attention
from edgec.graph.gelu import fuse_gelu
from edgec.graph.infer import check_complete, infer
from edgec.graph.norm_affine import fold_norm_affine
from edgec.graph.norms import fuse_group_norm, fuse_norms, fuse_shifted_norms
from edgec.graph.patterns import fuse_activations
from edgec.graph.slices import slices_to_split
from edgec.graph.softmax import fuse_softmax
from edgec.graph.values import check_numbers

Pass = Callable[[ir.Model], bool]
MAX_ROUNDS = 500  # every round that goes on has removed or simplified something; this only stops a fault of ours

STATIC: tuple[Pass, ...] = (fold.fold_constants, fold.fold_branches, fold.drop_identities)
SPELLING: tuple[Pass, ...] = (
    movement.count_axes_from_front,
    movement.spell_out,
    slices_to_split,
    movement.canonical_reshape,
    movement.merge_transposes,
    movement.canonical_resize,
    window.explicit_windows,
    activation.binary_chains,
    activation.canonical_clip,
    activation.constant_last,
    gemm.transpose_constant,
    gemm.flatten_bias,
    gemm.canonical_gemm,
    affine.split_batchnorm,
    affine.matmul_add_to_gemm,
    affine.fold_affine,
    window.drop_zero_bias,
    fuse_activations,
    fuse_gelu,
    fuse_softmax,
    spell_attention,
    fuse_norms,
    fuse_shifted_norms,
    fuse_group_norm,
    fold_norm_affine,
)


def normalize(model: ir.Model) -> ir.Model:
    """Brings a loaded model to normal form, in place.  Afterwards all shapes are static and all types known.

    Raises UnsupportedError (control flow, unknown operators: all at once) or ModelError (shapes that depend on the data).
    """
    window.settle_rounded_up(model)  # pools that QOperator nodes became
    repeat(model, STATIC)
    repeat(model, (*STATIC, *SPELLING))
    check_complete(model)
    check_numbers(model)
    return model


def repeat(model: ir.Model, passes: tuple[Pass, ...]) -> None:
    """Runs passes with shape inference between rounds until a round changes nothing."""
    for _ in range(MAX_ROUNDS):
        infer(model)
        changed = [run.__name__ for run in passes if run(model)]
        tidy(model)
        if not changed:
            return


def tidy(model: ir.Model) -> None:
    """Drops nodes, initialisers and functions that nothing reads."""
    RemoveUnusedNodesPass()(model)
    used = {(node.domain, node.op_type, node.overload) for node in model.graph.all_nodes()}
    for key in [key for key in model.functions if tuple(key) not in used]:
        model.functions.pop(key)
