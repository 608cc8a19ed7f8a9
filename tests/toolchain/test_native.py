"""Libraries for an operating system: the CMake package, built and used on the emulated processors, its loader, Android's form."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from edgec import api
from edgec.emulate.run import all_bytes
from edgec.target import load_target
from edgec.toolchain import cross
from edgec.toolchain.package import load_package
from edgec.verify.reference import read_program, reference
from edgec.verify.samples import default_samples

needs_arm64 = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-aarch64", "aarch64-linux-gnu-gcc", "cmake"))),
    reason="needs qemu-user, the cross compiler and CMake",
)
TOOLCHAIN = """set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
"""
HOW = {
    "tensor": {"found": ["-DCMAKE_PREFIX_PATH={native}"], "from source": ["-DNET_FROM_SOURCE=ON"]},
    "rows": {"shared from source": ["-DNET_FROM_SOURCE=ON", "-DBUILD_SHARED_LIBS=ON"]},
}


def compiled(model: Path, folder: Path, target: str, **options: Any) -> tuple[Path, bytes, bytes]:
    """(folder of the built package, input bytes of samples, what the reference makes of them)."""
    api.compile(model, folder, target=target, name="net", **options)
    package, program = load_package(folder), read_program(folder)
    samples = default_samples(program)
    count = len(next(iter(samples.values())))
    made = [reference(folder).run({name: array[i] for name, array in samples.items()}) for i in range(count)]
    expected = b"".join(one[t.name].tobytes() for one in made for t in package.outputs)
    return Path(api.build(folder)["artifacts"]["package"]), all_bytes(package, samples), expected


def cmake(native: Path, work: Path, *options: str) -> Path:
    """The example's program."""
    subprocess.run(["cmake", "-S", native / "example", "-B", work, *options], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", work, "--parallel", "2"], check=True, capture_output=True)
    return work / "net_example"


def ran(command: list[str | Path], work: Path, raw: bytes) -> tuple[str, bytes]:
    """(the variant it ran with, its outputs)."""
    (work / "in.bin").write_bytes(raw)
    done = subprocess.run([*command, work / "in.bin", work / "out.bin"], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[0].removeprefix("net on "), (work / "out.bin").read_bytes()


@needs_arm64
@pytest.mark.parametrize("rows", ["tensor", "rows"])
def test_the_example_on_every_processor(rows: str, digits: Path, tmp_path: Path) -> None:
    native, raw, expected = compiled(digits / "digits.onnx", tmp_path / "p", "linux-arm64", input=rows)
    (tmp_path / "arm64.cmake").write_text(TOOLCHAIN)
    for number, (how, options) in enumerate(HOW[rows].items()):
        stated = [option.format(native=native.resolve()) for option in options]
        program = cmake(native, tmp_path / str(number), f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'arm64.cmake'}", *stated)
        for variant in load_target("linux-arm64").variants:
            command = ["qemu-aarch64", "-cpu", variant.emulated, "-L", "/usr/aarch64-linux-gnu", program]
            assert ran(command, tmp_path, raw) == (variant.name, expected), how


@needs_arm64
def test_from_source_with_another_processor_in_plain_c(digits: Path, tmp_path: Path) -> None:
    native, raw, expected = compiled(digits / "digits.onnx", tmp_path / "p", "android-arm64")
    assert ran([cmake(native, tmp_path / "out", "-DNET_FROM_SOURCE=ON")], tmp_path, raw) == ("plain", expected)
    found = ["cmake", "-S", native / "example", "-B", tmp_path / "no", f"-DCMAKE_PREFIX_PATH={native.resolve()}"]
    refused = subprocess.run(found, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "was built for aarch64" in refused.stderr


@needs_arm64
def test_android_finds_its_own_c_library(digits: Path, tmp_path: Path) -> None:
    native, _, _ = compiled(digits / "digits_f32.onnx", tmp_path, "android-arm64")
    with (native / "lib/libnet.so").open("rb") as stream:
        elf = ELFFile(stream)
        dynamic = [section for section in elf.iter_sections() if isinstance(section, DynamicSection)]
        tags = [tag for section in dynamic for tag in section.iter_tags()]
        assert [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"] == ["libc.so", "libm.so"]
        assert not {"DT_VERNEED", "DT_TEXTREL"} & {tag.entry.d_tag for tag in tags}
        assert {segment["p_align"] for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"} == {16384}
        lacking = [s.name for s in elf.get_section_by_name(".dynsym").iter_symbols() if s["st_shndx"] == "SHN_UNDEF"]
        assert {"", "getauxval"} <= set(lacking) <= {"", "getauxval", "memcpy", "memset", "expf"}


@pytest.mark.parametrize("rows", ["tensor", "rows"])
def test_the_loader_in_python(rows: str, digits: Path, tmp_path: Path) -> None:
    native, raw, expected = compiled(digits / "digits.onnx", tmp_path, "host", input=rows, io="quantized")
    found = importlib.util.spec_from_file_location("net_loader", native / "python/net.py")
    assert found is not None
    assert found.loader is not None
    loader = importlib.util.module_from_spec(found)
    found.loader.exec_module(loader)
    model = loader.load(native / "lib/libnet.so")
    samples = np.frombuffer(raw, np.int8).reshape(-1, *loader.INPUTS[0]["shape"])
    assert b"".join(model(sample).tobytes() for sample in samples) == expected
    scale, zero_point = loader.INPUTS[0]["scale"], loader.INPUTS[0]["zero_point"]
    assert model.variant in {"neon", "plain", *(variant.name for variant in load_target("host").variants)}
    real = model((samples[1].astype(np.float32) - zero_point) * scale)
    np.testing.assert_array_equal(real, model(image=samples[1]))
    assert loader.real(real).dtype == np.float32
    with pytest.raises(ValueError, match="has shape"):
        model(samples[:2])
    with pytest.raises(TypeError, match="takes one array for each"):
        model()


@needs_arm64
@pytest.mark.slow
@pytest.mark.parametrize("target", ["linux-arm64", "android-arm64", "raspberry-pi"])
def test_zig_alone(target: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.setattr(cross, "GNU", {})
    native, _, _ = compiled(digits / "digits.onnx", tmp_path, target)
    assert "zig" in (native / "README.md").read_text()
    for variant in load_target(target).variants:
        assert api.verify(tmp_path, on=f"qemu-user/{variant.name}")["ok"]
