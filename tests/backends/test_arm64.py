"""TVM modules for AArch64 in TVM's own AArch64 runtime, under QEMU: the bytes of the interpreter (float32: as `verify`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from edgec import api
from edgec.emulate.run import all_bytes
from edgec.ir.program import Array
from edgec.toolchain.package import Package, Tensor, load_package
from edgec.verify.closeness import RELATIVE, relative
from edgec.verify.devices import count, outputs
from edgec.verify.reference import reference
from edgec.verify.samples import default_samples

SYSROOT = Path("/usr/aarch64-linux-gnu")
CODES = {"i": 0, "u": 1, "f": 2}
"""Kind of a numpy type -> what DLPack calls it."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs tvm_driver.c with the AArch64 libraries of the installed TVM's version."""
    tvm_ffi = pytest.importorskip("tvm_ffi", reason="needs apache-tvm-ffi")
    pytest.importorskip("tvm", reason="needs apache-tvm")
    qemu, compiler = shutil.which("qemu-aarch64"), shutil.which("aarch64-linux-gnu-gcc")
    if not (qemu and compiler and (SYSROOT / "lib/libstdc++.so.6").exists()):
        pytest.skip("needs qemu-user, the compiler and its C++ library")
    work = tmp_path_factory.mktemp("tvm-arm64")
    wanted = [f"{name}=={metadata.version(name)}" for name in ("apache-tvm", "apache-tvm-ffi")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(work)]
    if subprocess.run([*pip, "--platform", "manylinux_2_28_aarch64", *wanted], check=False).returncode != 0:
        pytest.skip("needs a package index")
    for wheel in work.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(
                work, [n for n in archive.namelist() if n.endswith(("libtvm_ffi.so", "libtvm_runtime.so"))]
            )
    folders = [work / "tvm/lib", work / "tvm_ffi/lib"]
    sources = [
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{Path(tvm_ffi.__file__).parent / 'include'}",
        str(Path(__file__).with_name("tvm_driver.c")),
    ]
    libraries = [*(f"-L{folder}" for folder in folders), "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi"]
    subprocess.run([compiler, *sources, *libraries, "-o", str(work / "driver")], check=True)
    path = ":".join(map(str, folders))
    return [qemu, "-L", str(SYSROOT), "-E", f"LD_LIBRARY_PATH={path}", str(work / "driver")]


def spec(tensor: Tensor) -> str:
    dtype = np.dtype(tensor.dtype)
    return f"{CODES[dtype.kind]}:{dtype.itemsize * 8}:{','.join(map(str, tensor.shape))}"


def run(driver: list[str], library: str, package: Package, samples: dict[str, Array], relax: bool, cpu: str) -> bytes:
    """The outputs of all samples, on a processor."""
    tensors = [*package.inputs] if relax else [*package.inputs, *package.outputs]
    files = [package.path / "samples.bin", package.path / "outputs.bin"]
    files[0].write_bytes(all_bytes(package, samples))
    given = [library, *map(str, files), str(len(package.inputs)), *map(spec, tensors)]
    subprocess.run([driver[0], "-cpu", cpu, *driver[1:], *given], check=True, timeout=900)
    return files[1].read_bytes()


def same(got: Array, want: Array) -> bool:
    return relative(got, want) <= RELATIVE if want.dtype == np.float32 else np.array_equal(got, want)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["library", "relax"])
@pytest.mark.parametrize(
    "model", ["kws_int8_qdq", "ic_int8_qdq", "mobilenetv2_224_ptq", "vww_int8_qdq", "vit_fashion_p7"]
)
def test_modules_on_arm64(driver: list[str], shared: Path, tmp_path: Path, model: str, form: str) -> None:
    options = {"target": "linux-arm64", "backend": "tvm", "tvm_form": form}
    api.compile(shared / "models" / f"{model}.onnx", tmp_path, **options)
    library = str(api.build(tmp_path)["artifacts"]["tvm module"])
    package, meaning = load_package(tmp_path), reference(tmp_path)
    samples = {name: array[:2] for name, array in default_samples(meaning.program).items()}
    expected = [meaning.run({name: array[i] for name, array in samples.items()}) for i in range(count(samples))]
    for cpu in ("cortex-a76", "max"):
        made, size = run(driver, library, package, samples, form == "relax", cpu), package.output_bytes
        assert len(made) == size * len(expected)
        for index, want in enumerate(expected):
            got = outputs(package, made[index * size : (index + 1) * size])
            assert all(same(got[name], array) for name, array in want.items()), (cpu, index)
