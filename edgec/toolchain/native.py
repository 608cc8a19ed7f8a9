"""The library of a model for an operating system: static, shared, as a CMake package, with an example in C and a loader for Python.

DIR/build/native/include/<name>.h   lib/lib<name>.a   lib/lib<name>.so   lib/cmake/<name>/<name>Config.cmake
                 CMakeLists.txt  src/*.c  example/{main.c,CMakeLists.txt}  python/<name>.py  README.md
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgec.emit.literals import C_TYPES
from edgec.emit.names import comment, unique_names
from edgec.emit.package import version
from edgec.emit.parts import environment
from edgec.target import Target, Variant
from edgec.toolchain.base import run_tool
from edgec.toolchain.package import Package, Tensor, load_package
from edgec.toolchain.sizes import undefined_symbols
from edgec.toolchain.variants import Compiler, dispatcher, functions, library_objects

__all__ = ["build_native", "link_shared"]

#: What CMake calls the processors a prebuilt library runs on.
PROCESSORS = {"aarch64": ("aarch64", "arm64", "ARM64"), "x86_64": ("x86_64", "AMD64", "amd64")}
FILES = {
    "CMakeLists.txt": "CMakeLists.txt",
    "Config.cmake": "lib/cmake/{name}/{name}Config.cmake",
    "example.cmake": "example/CMakeLists.txt",
    "main.c": "example/main.c",
    "loader.py": "python/{name}.py",
    "README.md": "README.md",
}


def build_native(folder: Path | str, target: Target, compiler: Compiler, machine: str) -> dict[str, Path]:
    """Builds DIR/build/native whole; returns its parts by name.

    machine: the processor, as platform.machine() calls it; of the target's variants, those for another one are only in the sources.
    Errors: BuildError.
    """
    package = load_package(folder)
    out, work = package.path / "build" / "native", package.path / "build" / "native.d"
    built = replace(target, variants=tuple(v for v in target.variants if v.machine in ("", machine)))
    objects = library_objects(package, built, compiler, work)
    shutil.rmtree(out, ignore_errors=True)
    for made in ("include", "lib", "src"):
        (out / made).mkdir(parents=True)
    shutil.copyfile(package.path / package.header, out / "include" / package.header)
    for source in package.sources:
        shutil.copyfile(source, out / "src" / source.name)
    (out / "src" / f"{package.name}_dispatch.c").write_text(dispatcher(package, target.variants), encoding="utf-8")
    context = _context(package, target, compiler, PROCESSORS.get(machine, (machine,)))
    for template, place in FILES.items():
        file = out / place.format(name=package.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(environment().get_template(f"package/native/{template}.j2").render(context), encoding="utf-8")
    static, shared = out / "lib" / f"lib{package.name}.a", out / "lib" / f"lib{package.name}.so"
    run_tool([*compiler.archive, "rcs", str(static), *_unique(objects, work)])
    link_shared(objects, shared, target, compiler, work)
    return {
        "package": out,
        "static library": static,
        "library": shared,
        "cmake": out / FILES["Config.cmake"].format(name=package.name),
        "python": out / FILES["loader.py"].format(name=package.name),
    }


def _unique(objects: list[Path], work: Path) -> list[str]:
    """The objects under names of their own: an archive knows its members by file name alone."""
    found = []
    for made in objects:
        name = "_".join(made.relative_to(work).parts)
        found.append(str(shutil.copyfile(made, work / name) if name != made.name else made))
    return found


def link_shared(objects: list[Path], out: Path, target: Target, compiler: Compiler, work: Path) -> None:
    """A shared library; for Android against its libc.so and libm.so, of which only the names matter here."""
    command = [*compiler.command, "-shared", f"-Wl,-soname,{out.name}", *map(str, objects)]
    if target.triple.endswith("-android"):
        stubs = _android_stubs(objects, compiler, work / "android")
        android = ["-nostdlib", "-Wl,-z,max-page-size=16384", f"-L{stubs}", "-Wl,--no-as-needed", "-lc", "-lm"]
        run_tool([*command, *android, "-o", str(out)])
        return
    if compiler.name == "zig":  # musl is for programs that bring their C library along; a system's own is GNU's
        command = [part.replace("-linux-musl", "-linux-gnu") for part in command]
    run_tool([*command, "-lm", "-o", str(out)])


def _android_stubs(objects: list[Path], compiler: Compiler, folder: Path) -> Path:
    """Folder with a libc.so and a libm.so that have the functions the objects lack, and nothing in them."""
    folder.mkdir(parents=True, exist_ok=True)
    lacking = undefined_symbols(objects)
    for name, symbols in (("libc", lacking), ("libm", [])):
        source = folder / f"{name}.c"
        source.write_text("".join(f"void {symbol}(void) {{ }}\n" for symbol in symbols) or "typedef int none;\n")
        flags = ["-w", "-fno-builtin", "-shared", "-nostdlib", f"-Wl,-soname,{name}.so"]
        run_tool([*compiler.command, *flags, str(source), "-o", str(folder / f"{name}.so")])
    return folder


def _context(package: Package, target: Target, compiler: Compiler, processors: tuple[str, ...]) -> dict[str, Any]:
    names = [function.name for function in functions(package)]
    inputs, outputs = (list(map(_tensor, tensors)) for tensors in (package.inputs, package.outputs))
    code = "".join(source.read_text(encoding="utf-8") for source in package.sources if source.stem == package.name)
    return {
        "name": package.name,
        "upper": package.name.upper(),
        "header": package.header,
        "weights": next(source.name for source in package.sources if source.stem != package.name),
        "version": version(),
        "source": comment(package.model_file),
        "target": target.name if target.triple else processors[0],
        "compiler": compiler.name,
        "processors": processors,
        "flags": target.flags,
        "variants": [{"name": v.name, "spellings": _spellings(v)} for v in target.variants],
        "names": [f"{package.name}_init", *names],
        "uses_math": "#include <math.h>" in code,
        "inputs": inputs,
        "outputs": outputs,
        "given": ", ".join(unique_names([tensor.name for tensor in package.inputs], "x")),
        "returned": ", ".join(unique_names([tensor.name for tensor in package.outputs], "y")),
        "rows": package.input_rows,
        "has_reset": f"{package.name}_reset" in names,
    }


def _spellings(variant: Variant) -> list[str]:
    """The flags of a variant as lists for CMake, commas between them: what compilers in general take, then zig."""
    return list(dict.fromkeys(",".join(flags) for flags in (variant.flags, variant.zig) if flags))


def _tensor(tensor: Tensor) -> dict[str, Any]:
    keys = ("name", "function", "dtype", "shape", "scale", "zero_point")
    literal = {key: getattr(tensor, key) for key in keys}
    quant = f", real = {tensor.scale!r} * (q - {tensor.zero_point})" if tensor.scale is not None else ""
    return {
        "function": tensor.function,
        "ctype": C_TYPES[tensor.dtype],
        "real": tensor.dtype == "float32",
        "note": comment(f"{tensor.name!r}: {tensor.dtype} {list(tensor.shape)}{quant}"),
        "literal": ascii(literal),
    }
