"""The only file that imports TVM: TVMScript in, objects without TVM's runtime and Relax libraries out, MetaSchedule in between.

Everything here takes text and plain values: what is compiled can be read (backends/tir.py, backends/relax.py), and no other file needs TVM.
Targets are dicts of TVM's `llvm` kind, as TVM 0.27 wants them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from edgec.errors import EdgecError, ToolMissingError
from edgec.ir.program import Array
from edgec.kernels._tir import DOT

__all__ = ["compiled_object", "export_relax", "open_relax", "require_tuner", "require_tvm", "tune"]

LLVM = Mapping[str, Any]
PATIENCE = 120.0  # seconds that building or timing one candidate may take: its processes import TVM first
STACKED = 240  # sums that may lie on the stack, side by side: outputs that no tile of whole vectors divides; LLVM vectorizes their loop
REGISTERS = 4  # sums in registers where there are no vectors


def require_tvm() -> Any:
    """The module tvm.  ToolMissingError (with how to get it) where it is not installed or does not load."""
    try:
        import tvm
        import tvm.script
        from tvm import relax, s_tir, tirx  # noqa: F401  (submodules that are used by attribute)
    except (ImportError, OSError, RuntimeError) as error:
        hint = "pip install 'edgec[tvm]'   (--tvm-form library needs no TVM: edgec's own kernels behind TVM's calling convention)"
        raise ToolMissingError(f"TVM is not installed ({error})", hint) from error
    return tvm


def require_tuner() -> Any:
    """The module of MetaSchedule.  ToolMissingError where TVM or what its processes need is not there."""
    require_tvm()
    try:
        for name in ("cloudpickle", "psutil"):
            import_module(name)
        from tvm.s_tir import meta_schedule
    except ImportError as error:
        raise ToolMissingError(f"MetaSchedule cannot run: {error}", "pip install 'edgec[tvm]'") from error
    return meta_schedule


def compiled_object(text: str, target: LLVM, vectors: bool) -> bytes:
    """An object file with the functions of an IRModule that take pointers: nothing but code, no runtime, no allocation.

    vectors: whether the target has vector registers.  Errors: ToolMissingError; EdgecError where TVM's code would need its runtime.
    """
    tvm = require_tvm()
    made = _target(tvm, target)
    module = tvm.tirx.transform.BindTarget(made)(tvm.script.from_source(text))
    library = tvm.get_global_func("target.build.llvm")(_lowered(tvm, _tiled(tvm, module, vectors)), made)
    lines = library.inspect_source("ll").splitlines()
    if wanted := [line for line in lines if line.startswith("declare") and "TVM" in line]:
        raise EdgecError(f"TVM's code calls its runtime: {wanted[0]}", "please report it with the model")
    with tempfile.TemporaryDirectory(prefix="edgec-tvm-") as folder:
        file = Path(folder) / "tir.o"
        library.write_to_file(str(file), "o")
        return file.read_bytes()


def export_relax(
    text: str,
    constants: Mapping[str, Array],
    target: LLVM,
    out: Path,
    link: Callable[[str, Sequence[str]], None],
    objects: Sequence[Path] = (),
    database: Path | None = None,
) -> None:
    """Builds a Relax module into a shared library that `tvm.runtime.load_module` opens.

    text, constants: see backends/relax.py; link(library, objects): the linker of the target; objects: files linked with it;
    database: folder of schedules that MetaSchedule found; functions that it does not know get the default one.
    """
    tvm = require_tvm()
    made, relax = _native(tvm, target), tvm.relax
    values = {name: tvm.runtime.tensor(array) for name, array in constants.items()}
    module = relax.transform.BindParams("main", values)(tvm.script.from_source(text))
    with made:
        if database is not None:
            module = relax.transform.MetaScheduleApplyDatabase(str(database))(module)
        module = _tiled(tvm, module, True)
        executable = relax.build(module, made, relax_pipeline="default_build")  # the one that fuses nothing
    executable.export_library(
        str(out), fcompile=lambda file, files, **_: link(file, files), addons=[str(file) for file in objects]
    )


def open_relax(library: Path) -> Callable[[Sequence[Array]], list[Array]]:
    """The function `main` of an exported module in the Relax virtual machine of this machine: arrays in, arrays out."""
    tvm = require_tvm()
    machine = tvm.relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())

    def run(arrays: Sequence[Array]) -> list[Array]:
        made = machine["main"](*(tvm.runtime.tensor(array) for array in arrays))
        return [made.numpy()] if hasattr(made, "numpy") else [part.numpy() for part in made]

    return run


def tune(text: str, target: LLVM, folder: Path, trials: int) -> None:
    """MetaSchedule over the functions of a module that sum up: `trials` measurements on this machine, and one of each function's default
    schedule, so that what is taken is never slower.  What it finds is added to the database in `folder`.

    Errors: ToolMissingError where its processes cannot run."""
    tvm, meta_schedule = require_tvm(), require_tuner()
    module = tvm.script.from_source(text)
    kept = {
        name: f for name, f in module.functions_items() if isinstance(f, tvm.tirx.PrimFunc) and "edgec.tile" in f.attrs
    }
    measure = _Measure(tvm, meta_schedule, _native(tvm, {**target, "num-cores": os.cpu_count() or 1}))
    database = meta_schedule.database.Database.create("json", work_dir=str(folder))
    turn = max(1, min(64, trials // max(1, len(kept))))  # every function gets its turn
    # Picked at random, the candidates of a large population are no better, but each costs more than a measurement.
    search = meta_schedule.search_strategy.EvolutionarySearch(
        population_size=max(16, 2 * turn), init_min_unmeasured=max(8, turn), genetic_num_iters=1
    )
    with redirect_stdout(sys.stderr):  # its tables of progress
        measure.defaults(list(kept.values()), database)
        meta_schedule.tune_tir(
            tvm.IRModule(kept),
            measure.target,
            str(folder),
            trials,
            num_trials_per_iter=turn,
            builder=measure.builder,
            runner=measure.runner,
            database=database,
            strategy=search,
            cost_model="random",  # its learned one would need xgboost
            seed=1,
        )


class _Measure:
    """How candidates are built and timed on this machine, in processes of their own."""

    def __init__(self, tvm: Any, meta_schedule: Any, target: Any) -> None:
        def build(module: Any, target: Any, parameters: Any) -> Any:
            """As MetaSchedule's own, which first parses the tensor intrinsics of all targets and takes longer over that than over all the
            rest.  It is sent to its process by value."""
            import tvm

            module = tvm.s_tir.transform.RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(module)
            return tvm.tirx.build(module, target=target)

        self.tvm, self.meta_schedule, self.target = tvm, meta_schedule, target
        self.builder = meta_schedule.builder.LocalBuilder(timeout_sec=PATIENCE, f_build=build)
        once = meta_schedule.runner.EvaluatorConfig(number=1, repeat=1, min_repeat_ms=20)
        self.runner = meta_schedule.runner.LocalRunner(timeout_sec=PATIENCE, evaluator_config=once)

    def defaults(self, functions: Sequence[Any], database: Any) -> None:
        """The default schedule of every function, timed, as the first record of its own.  The database gives the fastest record."""
        meta = self.meta_schedule
        for function in functions:
            module = meta.tune_context._normalize_mod(function)  # as tune_tir: records are found by the module
            workload = database.commit_workload(module)
            if database.get_top_k(workload, 1):
                continue  # from an earlier tuning, which began with it
            schedule = self.tvm.s_tir.Schedule(module)
            _tile(schedule, int(function.attrs["edgec.tile"]), True)
            arguments = meta.arg_info.ArgInfo.from_entry_func(module)
            if seconds := self._seconds(schedule.mod, arguments):
                record = meta.database.TuningRecord(schedule.trace, workload, seconds, self.target, arguments)
                database.commit_tuning_record(record)

    def _seconds(self, module: Any, arguments: Any) -> Any:
        """What calls of a module take, in seconds; nothing where that cannot be had within PATIENCE."""
        meta = self.meta_schedule
        [built] = self.builder.build([meta.builder.BuilderInput(module, self.target)])
        if built.artifact_path is None:
            return None
        [timed] = self.runner.run([meta.runner.RunnerInput(built.artifact_path, "cpu", arguments)])
        seconds = timed.result().run_secs
        shutil.rmtree(Path(built.artifact_path).parent)
        return seconds


def _native(tvm: Any, target: LLVM) -> Any:
    """A target without a triple is this machine, with all that its processor can do."""
    here = {} if "mtriple" in target else {"mcpu": tvm.target.codegen.llvm_get_system_cpu()}
    return _target(tvm, {**here, **target})


def _target(tvm: Any, target: LLVM) -> Any:
    return tvm.target.Target(dict(target), host=dict(target))


def _tiled(tvm: Any, module: Any, vectors: bool) -> Any:
    """The default schedule of functions that sum up (attribute edgec.tile): a tile of outputs at a time, so that its sums stay in
    registers.  Dot products are loops of their own, which LLVM turns into vectors; side by side, and without vectors, the tile is the
    innermost loop."""
    schedule = tvm.s_tir.Schedule(module)
    for name, function in module.functions_items():
        tile = int(function.attrs.get("edgec.tile", 0)) if function.attrs is not None else 0
        if tile and not function.attrs.get("tirx.is_scheduled", 0):
            schedule.work_on(name.name_hint)
            _tile(schedule, tile, vectors)
    return schedule.mod


def _tile(schedule: Any, tile: int, vectors: bool) -> None:
    """One function: see _tiled."""
    side = tile > DOT or not vectors
    tile = tile if vectors else min(tile, REGISTERS)
    out = schedule.get_sblock("out")
    sums = (schedule.get_producers(out) or [out])[0]
    axes = sum(int(axis.iter_type) == 0 for axis in schedule.get(out).iter_vars)
    outputs = schedule.get_loops(out)[axes - 1]
    extent = int(schedule.get(outputs).extent)
    even = max(n for n in range(1, tile + 1) if extent % n == 0)
    whole = side and vectors and even % 4 != 0 and extent <= STACKED
    outer, inner = schedule.split(outputs, [None, extent if whole else even])
    if sums == out:
        inside, reduced = inner, schedule.get_loops(out)[axes + 1 :]
    else:
        schedule.compute_at(sums, outer, preserve_unit_loops=True)  # now a loop for each of its axes below `outer`
        inside, *reduced = schedule.get_loops(sums)[2 * axes - 1 :]
    first = inside
    if side:
        schedule.reorder(*reduced, inside)
        first = reduced[0]
    if side and vectors and not whole:
        for loop in {inside, schedule.get_loops(out)[-1]} if sums != out else {inside}:
            schedule.vectorize(loop)
    schedule.decompose_reduction(sums, first)
    if not vectors:
        schedule.unroll(inside)


def _lowered(tvm: Any, module: Any) -> Any:
    """TVM's passes for the CPU without the packed calling convention: functions keep their pointers as parameters."""
    scheduled, plain = tvm.s_tir.transform, tvm.tirx.transform
    passes = [
        scheduled.CanonicalizeLoop(),
        scheduled.LowerInitBlock(),
        scheduled.PlanAndUpdateBufferAllocationLocation(),
        scheduled.ConvertBlocksToOpaque(),
        scheduled.CompactBufferAllocation(),
        scheduled.LowerMatchBuffer(),
        scheduled.StmtSimplify(),
        scheduled.LowerOpaqueBlock(),
        plain.FlattenBuffer(),
        plain.NarrowDataType(32),
        scheduled.LoopPartition(),
        plain.VectorizeLoop(True),
        plain.StorageRewrite(),
        scheduled.HoistIfThenElse(),
        plain.UnrollLoop(),
        plain.StmtSimplify(),
        plain.RemoveNoOp(),
        scheduled.RewriteUnsafeSelect(),
        plain.CommonSubexprElim(),
        plain.LowerTVMBuiltin(),
        plain.LowerIntrin(),
    ]
    return tvm.ir.transform.Sequential(passes)(module)
