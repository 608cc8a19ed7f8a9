"""One library for several instruction sets: the model's code compiled once for each, its weights once, and a dispatcher before them.

kws.c        -march=armv8-a         -Dkws_run=kws_run_neon ...       kws_init, kws_run, ...: kws_dispatch.c, which asks
kws.c        -march=armv8.2-a+...   -Dkws_run=kws_run_dotprod ...    the processor in kws_init
kws_weights.c
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.emit.literals import C_TYPES
from edgec.emit.package import version
from edgec.emit.parts import environment
from edgec.target import Target, Variant
from edgec.toolchain.base import compile_objects
from edgec.toolchain.package import Package

__all__ = ["Compiler", "Function", "dispatcher", "functions", "library_objects", "renamed"]

#: What the processor has: on AArch64 (entry of the auxiliary vector, bit), on x86-64 the compiler's name ("": see the template).
ARM = {"asimddp": (16, 20), "i8mm": (26, 13)}
X86 = {
    "avx2": "avx2",
    "fma": "fma",
    "avx_vnni": "",
    "avx512f": "avx512f",
    "avx512bw": "avx512bw",
    "avx512vl": "avx512vl",
    "avx512_vnni": "avx512vnni",
}


@dataclass(frozen=True)
class Compiler:
    """A C compiler for an operating system.  `name` appears in reports; `archive`: the command that makes static libraries."""

    name: str
    command: tuple[str, ...]
    archive: tuple[str, ...]

    def flags(self, target: Target, variant: Variant) -> list[str]:
        """What it is told for a variant."""
        return [*target.flags, *(variant.zig if self.name == "zig" else variant.flags)]


@dataclass(frozen=True)
class Function:
    """A public function as C spells it: `result` with the space or star before the name, `takes` the parameters."""

    name: str
    result: str
    takes: str = "void"


def functions(package: Package) -> list[Function]:
    """The public functions of a package, <name>_init aside."""
    name = package.name
    found = [Function(f"{name}_variant", "const char *")]
    if package.input_rows:
        row = f"const {C_TYPES[package.inputs[0].dtype]} *row"
        found.append(Function(f"{name}_push_row", "int ", row))
    else:
        found.append(Function(f"{name}_run", "void "))
        found += [Function(t.function, f"{C_TYPES[t.dtype]} *") for t in package.inputs]
    if package.input_rows or package.manifest.get("states"):
        found.append(Function(f"{name}_reset", "void "))
    return found + [Function(t.function, f"const {C_TYPES[t.dtype]} *") for t in package.outputs]


def renamed(package: Package, variant: Variant) -> list[str]:
    """Definitions that give the public functions the variant's name; the arena is the dispatcher's."""
    names = [f"{package.name}_init", *(function.name for function in functions(package))]
    return [f"{package.name.upper()}_SHARED_ARENA", *(f"{name}={name}_{variant.name}" for name in names)]


def dispatcher(package: Package, variants: Sequence[Variant]) -> str:
    """The text of <name>_dispatch.c: the public functions, each calling that of the chosen variant."""
    wanted = {feature for variant in variants for feature in variant.when}
    context = {
        "name": package.name,
        "upper": package.name.upper(),
        "header": package.header,
        "version": version(),
        "variants": variants,
        "functions": functions(package),
        "wanted": [feature for feature in (*ARM, *X86) if feature in wanted],
        "arm": ARM,
        "x86": X86,
    }
    return environment().get_template("package/native/dispatch.c.j2").render(context)


def library_objects(
    package: Package, target: Target, compiler: Compiler, out: Path, trace: bool = False, shared_arena: bool = False
) -> list[Path]:
    """Compiles a package for all variants of `target` into folder `out`; with one variant only, without a dispatcher.

    trace: with <NAME>_TRACE; shared_arena: without an arena of its own.  Errors: BuildError.
    """
    upper, first = package.name.upper(), target.variants[0]
    traced = [f"{upper}_TRACE"] if trace else []
    common = traced + ([f"{upper}_SHARED_ARENA"] if shared_arena else [])
    code = [source for source in package.sources if not source.stem.endswith("_weights")]
    others = [source for source in package.sources if source not in code]

    def objects(variant: Variant, sources: Sequence[Path], defines: Sequence[str], folder: Path) -> list[Path]:
        jobs = [(source, folder / f"{source.stem}.o") for source in sources]
        flags = [*compiler.flags(target, variant), "-fPIC"]
        return compile_objects(compiler.command, jobs, [package.path], defines, flags)

    if len(target.variants) == 1:
        return [*objects(first, package.sources, common, out), *package.objects(first.name)]
    out.mkdir(parents=True, exist_ok=True)
    dispatch = out / f"{package.name}_dispatch.c"
    dispatch.write_text(dispatcher(package, target.variants), encoding="utf-8")
    there = [f"{upper}_WITH_{variant.name.upper()}" for variant in target.variants[1:]]
    found = objects(first, [*others, dispatch], [*common, *there], out)
    for variant in target.variants:
        found += objects(variant, code, [*renamed(package, variant), *traced], out / variant.name)
    return found
