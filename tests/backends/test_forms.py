"""`--backend tvm`: which form a package has, and the same bytes wherever it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgec import api
from edgec.cli.app import run
from edgec.errors import ToolMissingError, UsageError

MODELS = ["kws_int8_qdq", "ic_int8_qdq", "mobilenetv2_224_ptq", "ad_int8_qdq", "vww_int8_qdq"]
EVERYWHERE = {
    "host": ["host", "tvm"],
    "linux-arm64": ["qemu-user/neon", "qemu-user/dotprod", "qemu-user/i8mm"],
    "wasm32": ["wasmtime"],
    "wasm32-simd": ["wasmtime/simd"],
    "cortex-m4": ["emulator"],
}


def compiled(model: Path, out: Path, target: str, **options: object) -> dict[str, object]:
    return dict(api.compile(model, out, target=target, backend="tvm", tvm_form="relax", **options).manifest)


@pytest.mark.parametrize("target", EVERYWHERE)
def test_digits_everywhere(digits: Path, tmp_path: Path, target: str) -> None:
    pytest.importorskip("tvm", reason="needs apache-tvm")
    manifest = compiled(digits / "digits.onnx", tmp_path / "p", target)
    assert all(step["kernel"].endswith("_tir") for step in manifest["steps"])  # type: ignore[attr-defined]
    for where in EVERYWHERE[target]:
        document = api.verify(tmp_path / "p", on=where)
        assert document["ok"], (where, document["first_difference"])
    if target == "linux-arm64":  # its Relax module is built for it, though nothing here can run TVM there
        library = Path(api.build(tmp_path / "p")["artifacts"]["tvm module"])
        assert library.read_bytes()[18:20] == b"\xb7\x00"  # e_machine of ELF: AArch64


@pytest.mark.slow
@pytest.mark.parametrize("target", EVERYWHERE)
@pytest.mark.parametrize("model", MODELS)
def test_models_everywhere(shared: Path, tmp_path: Path, model: str, target: str) -> None:
    pytest.importorskip("tvm", reason="needs apache-tvm")
    big = {"cortex-m4": "mps2-an386-big"}.get(target, target) if model.startswith("mobilenet") else target
    compiled(shared / "models" / f"{model}.onnx", tmp_path / "p", big)
    for where in EVERYWHERE[target]:
        document = api.verify(tmp_path / "p", on=where)
        assert document["ok"], (where, document["first_difference"])


def test_auto_needs_no_tvm_where_a_library_can_be_loaded(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tvm", None)
    made = api.compile(digits / "digits.onnx", tmp_path / "p", target="host", backend="tvm")
    assert "tvm_ffi" in made.manifest and "tvm" not in made.manifest
    for more in ({"target": "cortex-m4"}, {"target": "host", "tune": 4}, {"target": "host", "tvm_form": "relax"}):
        with pytest.raises(ToolMissingError, match="TVM is not installed") as caught:
            api.compile(digits / "digits.onnx", tmp_path / "q", backend="tvm", **more)
        assert "edgec[tvm]" in str(caught.value.hint)
    assert (
        run(["compile", str(digits / "digits.onnx"), "-t", "wasm32", "--backend", "tvm", "-o", str(tmp_path / "q")])
        == 4
    )


@pytest.mark.parametrize(
    "options",
    [
        {"target": "host", "tvm_form": "library", "tune": 4},
        {"target": "wasm32", "tune": 4},
        {"target": "cortex-m4", "input": "rows"},
        {"target": "host", "tvm_form": "tir"},
        {"target": "host", "tune": -1},
    ],
)
def test_contradictions(digits: Path, tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        api.compile(digits / "digits.onnx", tmp_path / "p", backend="tvm", **options)
    assert caught.value.hint


def test_what_was_tuned_is_kept(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial is made twice; more trials add to what was found; another model begins anew."""
    pytest.importorskip("tvm", reason="needs apache-tvm")
    asked = []

    def tune(text: str, target: object, folder: Path, trials: int) -> None:
        asked.append((trials, sorted(file.name for file in folder.iterdir())))
        (folder / "database_workload.json").write_text("")

    monkeypatch.setattr("edgec.backends.tvm.tune", tune)
    for model, trials in (("digits", 4), ("digits", 4), ("digits", 2), ("digits", 6), ("digits_f32", 4)):
        made = compiled(digits / f"{model}.onnx", tmp_path / "p", "host", tune=trials)
    assert asked == [(4, []), (2, ["database_workload.json"]), (4, [])]
    assert json.loads((tmp_path / "p/edgec.json").read_text())["tvm"]["trials"] == 4
    assert made["tvm"]["database"] == "relax/database"  # type: ignore[index]


@pytest.mark.slow
def test_tuned_functions_have_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("tvm", reason="needs apache-tvm")
    arguments = ["compile", str(digits / "digits.onnx"), "-t", "host", "--backend", "tvm", "-o", str(tmp_path / "p")]
    assert run([*arguments, "--tune", "8"]) == 0
    database = tmp_path / "p/relax/database"
    workloads = (database / "database_workload.json").read_text().splitlines()
    records = [json.loads(line) for line in (database / "database_tuning_record.json").read_text().splitlines()]
    assert [record[0] for record in records[: len(workloads)]] == list(range(len(workloads)))  # first the default schedule of each
    assert len(workloads) < len(records) <= len(workloads) + 8
    document = api.verify(tmp_path / "p", on="tvm")
    assert document["ok"], document["first_difference"]
