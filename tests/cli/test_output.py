"""What a verb prints where: results on stdout, messages on stderr, exit codes of the contract, no tracebacks."""

from __future__ import annotations

import errno
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgec import errors
from edgec.cli.app import BUG, run
from edgec.toolchain.firmware import FirmwareImage, FirmwareSizes
from tests.cli import package
from tests.cli.fakes import install, raising

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

IMAGE = FirmwareImage(
    *(Path(f"tiny.{kind}") for kind in ("elf", "bin", "hex", "map")),
    sizes=FirmwareSizes(24, 0, 0, 8, 2000, 200, 2200, {"sram": 32}, {"flash": 2200}),
    toolchain="arm-none-eabi-gcc",
)


def compile_that(monkeypatch: Patch, error: BaseException) -> list[str]:
    """A `compile` command line whose compiler raises `error`."""
    importlib.import_module("edgec.artifact")  # what compile returns is made from the real compiler's result
    install(monkeypatch, "edgec.compiler", compile_model=raising(error))
    return ["compile", "m.onnx", "--target", "cortex-m4"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("bad", "do this"), 2),
        (errors.ModelError("broken", "export again"), 2),
        (errors.UnsupportedError("no Foo", "remove it", (("n1", "Foo", "unknown"), ("n2", "Bar", "unknown"))), 2),
        (errors.InputError("shape", "transpose"), 2),
        (errors.BudgetError("too big", "--optimize ram"), 3),
        (errors.ToolMissingError("no gcc", "apt-get install gcc"), 4),
        (errors.BuildError("ld failed", "see above"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "out/x.c"), 2),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2),
        (ModuleNotFoundError("No module named 'ortools'", name="ortools"), 4),
        (MemoryError(), 2),
        (ZeroDivisionError("division by zero"), BUG),
        (RecursionError("too deep"), BUG),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_a_message_a_hint_and_a_code(
    error: BaseException, code: int, monkeypatch: Patch, capsys: Capture
) -> None:
    arguments = compile_that(monkeypatch, error)
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert code == 130 or "\nhint: " in said.err
    assert "Traceback" not in said.err

    assert run([*arguments, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["message"]
    if isinstance(error, errors.UnsupportedError):
        assert document["error"]["problems"][1] == {"node": "n2", "op": "Bar", "reason": "unknown"}


def test_a_bug_asks_for_a_report_and_debug_shows_where(monkeypatch: Patch, capsys: Capture) -> None:
    arguments = compile_that(monkeypatch, KeyError("oops"))
    run(arguments)
    assert "please report it" in capsys.readouterr().err
    run(arguments, debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_names_from_models_cannot_drive_the_terminal(monkeypatch: Patch, capsys: Capture) -> None:
    run(compile_that(monkeypatch, errors.ModelError("node '\x1b[2J\x07[bold]' is odd", "rename [red]it")))
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\x07" not in said
    assert "\\x1b[2J\\x07[bold]" in said and "[red]it" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile"],
        ["compile", "m.onnx"],
        ["compile", "m.onnx", "--target", "cortex-m4", "--optimize", "magic"],
        ["compile", "m.onnx", "--target", "cortex-m4", "--ram", "lots"],
        ["compile", "m.onnx", "--target", "cortex-m4", "--batch", "0"],
        ["compile", "m.onnx", "--target", "cortex-m4", "--batch", "two"],
        ["nonsense"],
        ["build", "--nonsense"],
        ["build", "nowhere"],
        ["verify", "nowhere"],
        ["report", "nowhere"],
        ["bench", "nowhere", "--emulate"],
    ],
)
def test_bad_use_is_code_2(arguments: list[str], tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and "error: " in said.err and "hint: " in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"target": 3, "inputs": []}', "\x00\xff"])
def test_a_damaged_manifest_is_code_2(text: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "edgec.json").write_text(text, encoding="latin-1")
    assert run(["report", str(tmp_path)]) == 2
    assert "edgec.json" in capsys.readouterr().err


def test_bench_wants_one_place(tmp_path: Path, capsys: Capture) -> None:
    folder = str(package.write(tmp_path))
    assert run(["bench", folder]) == 2
    assert run(["bench", folder, "--emulate", "--port", "loop://"]) == 2
    said = capsys.readouterr().err
    assert "no serial port is found" in said and "edgec bench DIR --emulate" in said and "leave all but one" in said


def test_compile_prints_what_it_made(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    seen: list[Any] = []

    def compile_model(path: Path, options: Any, out: Path, *more: Any, **tuning: Any) -> Any:
        seen.append((path, options, out))
        print("a library talks")  # noqa: T201 - that is what is tested
        patches = {"strips": 3, "last_step": "conv_4", "recomputed_macs": 12345, "recomputed_percent": 6.7}
        made = {**package.manifest(), "patches": patches}
        return SimpleNamespace(dir=out, manifest=made, program=None, summary={"number_formats": ["float32"]})

    importlib.import_module("edgec.artifact")
    install(monkeypatch, "edgec.compiler", compile_model=compile_model)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edgec.toml").write_text('[compile]\nram = "64K"\ntarget = "cortex-m0plus"\nkeep-input = true\n')
    assert run(["compile", "m.onnx", "--target", "cortex-m4", "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["arena_bytes"] == 24 and document["dir"] == "build/m"
    assert "a library talks" in said.err and "options from edgec.toml" in said.err
    path, options, out = seen[0]
    assert (path, out) == (Path("m.onnx"), Path("build/m"))
    assert (options.target, options.ram, options.keep_input) == ("cortex-m4", 65536, True)

    assert run(["compile", "m.onnx", "-o", "there"]) == 0
    table = capsys.readouterr().out
    assert "24 bytes, 20.0 % above the lower bound of 20" in table
    assert "up to conv_4 in 3 strips" in table and "recomputes 12,345 multiply-accumulates more (6.7 %)" in " ".join(
        table.split()
    )
    assert "24 B arena" in table and "computes in float32" in table and "edgec build there" in table


def test_build_bench_and_verify_print_tables_or_json(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    folder = str(package.write(tmp_path / "tiny"))
    verdict = {"ok": True, "samples": 3, "outputs": [{"name": "y", "mismatched": 0, "elements": 12}]}
    install(monkeypatch, "edgec.toolchain.firmware", build_firmware=lambda *a, **k: IMAGE)
    install(monkeypatch, "edgec.emulate.run", measure=lambda *a, **k: dict(package.MEASURED))
    install(monkeypatch, "edgec.verify.check", verify=lambda *a, **k: dict(verdict))
    for arguments, wanted in (
        (["build", folder], "tiny.elf"),
        (["bench", folder, "--emulate", "--layers"], "60.0 %"),
        (["verify", folder], "same"),
        (["report", folder], "dense_s8"),
        (["report", folder, "--against", folder], "difference"),
    ):
        assert run(arguments) == 0, arguments
        assert wanted in capsys.readouterr().out
        assert run([*arguments, "--json"]) == 0
        json.loads(capsys.readouterr().out)
    verdict["ok"] = False
    assert run(["verify", folder]) == 1
    assert "different" in capsys.readouterr().out


def test_report_writes_a_page(tmp_path: Path, capsys: Capture) -> None:
    folder = package.write(tmp_path / "tiny", name="<tiny>")
    assert run(["report", str(folder), "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;tiny&gt;" in page and "<tiny>" not in page and page.count("<rect") == 4


def test_bench_on_a_board_prints_times(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    timed: dict[str, Any] = {
        "model": "tiny.onnx",
        "target": "mps2-an386",
        "device": "edgec",
        "macs": 128,
        "stack": None,
    }
    timed |= {"microseconds": 1234.5, "inferences_per_second": 810.04, "output_crc32": "0badcafe"}
    timed |= {"windows": [1200.0, 1234.5, 1250.0], "spread": 0.0405, "runs": 810, "clock_hz": 120_000_000}
    timed |= {"cycles": {"least": 148_000, "mean": 148_100, "most": 149_000}}
    timed |= {"layers": [{"name": "dense_0", "op": "dense", "macs": 64, "cycles": 72_000, "microseconds": 600.0}]}
    install(monkeypatch, "edgec.harness.bench", bench=lambda *a: dict(timed))
    folder = str(package.write(tmp_path))
    assert run(["bench", folder, "--port", "loop://", "--layers"]) == 0
    table = capsys.readouterr().out
    assert "1,234.50" in table and "100.0 %" in table and "stack" not in table
    assert "4.05 % over 3 windows of 810 inferences" in table and "148,100 at 120 MHz" in table and "72,000" in table
    assert run(["bench", folder, "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "dense_0,dense,64,72000,600.0"
    install(monkeypatch, "edgec.harness.bench", watch=lambda *a: iter([timed, timed]))
    assert run(["bench", folder, "--watch"]) == 0
    assert capsys.readouterr().out.count("810.04") == 2
    assert run(["bench", folder, "--watch", "--json"]) == 2
    capsys.readouterr()


def test_lists(capsys: Capture) -> None:
    """What is installed, what can be compiled and for what, from the real layers below."""
    for verb, key, wanted in (("targets", "targets", "mps2-an386"), ("doctor", "tools", "qemu-system-arm")):
        assert run([verb]) == 0
        assert wanted in capsys.readouterr().out
        assert run([verb, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)[key]
        assert wanted in {row["name"] for row in rows}
    assert run(["ops"]) == 0
    assert "MaxPool" in capsys.readouterr().out


def test_doctor_says_how_to_get_what_is_missing(monkeypatch: Patch, capsys: Capture) -> None:
    """Programs that are not there, and packages that are but do not load."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "tvm", None)
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ready"] is False
    gcc = next(row for row in document["tools"] if row["name"] == "arm-none-eabi-gcc")
    assert not gcc["found"] and gcc["get"].startswith("apt-get install gcc-arm-none-eabi")
    tvm, tuner = (next(row for row in document["tools"] if row["name"] == name) for name in ("apache-tvm", "psutil"))
    assert not tvm["found"] and not tuner["found"] and tvm["get"] == "pip install 'edgec[tvm]'"
