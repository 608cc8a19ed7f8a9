"""A library under the TVM FFI: the interpreter's bytes through tvm_ffi, errors for tensors that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgec import api
from edgec.errors import UsageError
from edgec.toolchain.ffi import build_ffi
from edgec.verify.ffi import load_ffi

tvm_ffi = pytest.importorskip("tvm_ffi")


@pytest.fixture(scope="module")
def package(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ffi") / "digits"
    api.compile(digits / "digits.onnx", folder, target="host", backend="tvm")
    return folder


@pytest.mark.parametrize("rows", ["tensor", "rows"])
def test_same_bytes(rows: str, digits: Path, tmp_path: Path) -> None:
    api.compile(digits / "digits.onnx", tmp_path / "p", target="host", backend="tvm", input=rows)
    document = api.verify(tmp_path / "p", on="tvm")
    assert document["ok"], document["first_difference"]


def test_wrong_tensors_raise(package: Path) -> None:
    run = tvm_ffi.load_module(str(build_ffi(package)))["run"]
    manifest = api.read_manifest(package)
    arrays = [np.zeros(p["shape"], p["dtype"]) for p in (*manifest["inputs"], *manifest["outputs"])]
    run(*map(tvm_ffi.from_dlpack, arrays))
    with pytest.raises(TypeError, match="2 tensors"):
        run(tvm_ffi.from_dlpack(arrays[0]))
    for wrong in (arrays[0].astype(np.int32), arrays[0][..., None], arrays[0].repeat(2, axis=-1)[..., ::2]):
        with pytest.raises(ValueError, match="argument 0 must be"):
            run(tvm_ffi.from_dlpack(wrong), tvm_ffi.from_dlpack(arrays[1]))
    with pytest.raises(ValueError, match="argument 1"):
        run(tvm_ffi.from_dlpack(arrays[0]), 3)


@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="needs the compiler for 64-bit Arm")
def test_built_for_its_target(digits: Path, tmp_path: Path) -> None:
    """What `build` makes is for the package's processor; what `verify` loads, for this one."""
    api.compile(digits / "digits.onnx", tmp_path, target="linux-arm64", backend="tvm")
    library = Path(api.build(tmp_path)["artifacts"]["tvm module"])
    assert library.read_bytes()[18:20] == b"\xb7\x00"  # e_machine of ELF: AArch64
    document = api.verify(tmp_path, on="tvm")
    assert document["ok"], document["first_difference"]


def test_plain_packages_have_none(digits: Path, tmp_path: Path) -> None:
    api.compile(digits / "digits.onnx", tmp_path / "p", target="host")
    with pytest.raises(UsageError, match="no TVM functions"):
        load_ffi(tmp_path / "p")


RELAX = """# from tvm.script import ir as I
# from tvm.script import relax as R
@I.ir_module
class Module:
    @R.function
    def main(x: R.Tensor({given}, dtype="float32")):
        with R.dataflow():
            y = R.call_dps_packed("run", (x,), out_ty=R.Tensor({made}, dtype="float32"))
            z = R.add(y, y)
            R.output(z)
        return z
"""


def test_tvm_loads_it_and_relax_calls_it(package: Path) -> None:
    tvm = pytest.importorskip("tvm", reason="needs apache-tvm")
    library = tvm.runtime.load_module(str(build_ffi(package)))
    manifest = api.read_manifest(package)
    (given,), (made,) = manifest["inputs"], manifest["outputs"]
    x = np.random.default_rng(5).random(given["shape"], np.float32)
    (want,) = load_ffi(package)(x)
    y = tvm.runtime.tensor(np.empty(made["shape"], np.float32))
    library["run"](tvm.runtime.tensor(x), y)
    np.testing.assert_array_equal(y.numpy(), want)
    text = RELAX.format(given=tuple(given["shape"]), made=tuple(made["shape"]))
    executable = tvm.compile(tvm.script.from_source(text), tvm.target.Target({"kind": "llvm"}))
    executable.mod.import_module(library)
    machine = tvm.relax.VirtualMachine(executable, tvm.cpu())
    np.testing.assert_array_equal(machine["main"](tvm.runtime.tensor(x)).numpy(), want + want)
