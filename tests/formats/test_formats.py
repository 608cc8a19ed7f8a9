"""The package folder in other build systems: built and run where the tool is at hand, held against its rules where not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec import api
from edgec.errors import UsageError
from edgec.formats.write import FORMATS
from tests.conformance.graphs import models

CMAKE = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
ARM = pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs arm-none-eabi-g++")
M4 = ["-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]


@pytest.fixture(scope="module")
def packages(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Digits as int8 and as float for the host, as int8 for Cortex-M4, and both host models in one library."""
    folder = tmp_path_factory.mktemp("formats")
    api.compile(digits / "digits.onnx", folder / "int8", target="host", name="digits")
    api.compile(digits / "digits_f32.onnx", folder / "float", target="host", name="digits_float")
    api.compile(digits / "digits.onnx", folder / "m4", target="cortex-m4", name="digits")
    api.package([folder / "int8", folder / "float"], folder / "both")
    return {name: folder / name for name in ("int8", "float", "m4", "both")}


def expected(folder: Path) -> list[float]:
    """What an example prints: the outputs for the pattern it writes."""
    [entry] = api.read_manifest(folder)["inputs"]
    i = np.arange(entry["elements"])
    pattern = {"float32": (i % 256 - 128) / 128, "int8": i % 256 - 128, "uint8": i % 256}[entry["dtype"]]
    return [float(v) for v in api.load(folder)(pattern.astype(entry["dtype"]).reshape(entry["shape"]))[0].ravel()]


def printed(text: str) -> dict[str, list[float]]:
    """Outputs by model, from `name`, then a line of numbers."""
    lines = text.splitlines()
    return {name: [float(v) for v in values.split()] for name, values in zip(lines[::2], lines[1::2], strict=True)}


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@CMAKE
@pytest.mark.parametrize("how", ["find_package", "add_subdirectory"])
def test_cmake(packages: dict[str, Path], tmp_path: Path, how: str) -> None:
    """Two models in one library, with kernels in common, give what each gives alone."""
    source = packages["both"] / "examples" / "cmake"
    if how == "add_subdirectory":
        shutil.copytree(packages["both"], tmp_path / "vendor")
        shutil.copy(source / "main.c", tmp_path)
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.13)\nproject(app LANGUAGES C)\nadd_subdirectory(vendor)\n"
            "add_executable(hello main.c)\ntarget_link_libraries(hello PRIVATE both::both)\n"
        )
        source = tmp_path
    run("cmake", "-S", source, "-B", tmp_path / "build", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", tmp_path / "build")
    found = printed(run(tmp_path / "build" / "hello"))
    assert found["digits"] == pytest.approx(expected(packages["int8"]), rel=1e-5)
    np.testing.assert_allclose(found["digits_float"], expected(packages["float"]), rtol=1e-4, atol=1e-5)


STUB = """#pragma once
#include <stddef.h>
#include <stdio.h>
unsigned long micros(void);
void delay(unsigned long ms);
struct Port { void begin(long) {} template <typename T> void println(T) {} };
extern Port Serial;
"""


@ARM
def test_arduino_example_compiles_with_a_stub_core(packages: dict[str, Path], tmp_path: Path) -> None:
    """As the Arduino builder does: the sketch as C++ behind Arduino.h, all C files of the library's root, then one image."""
    folder = packages["m4"]
    (tmp_path / "Arduino.h").write_text(STUB)
    sketch = (folder / "examples" / "hello" / "hello.ino").read_text()
    (tmp_path / "hello.cpp").write_text('#include "Arduino.h"\n' + sketch)
    (tmp_path / "core.cpp").write_text(
        '#include "Arduino.h"\nvoid setup(); void loop();\nunsigned long micros(void) { return 0; }\n'
        "Port Serial;\nvoid delay(unsigned long) {}\nint main() { setup(); for (;;) loop(); }\n"
    )
    for name in ("hello", "core"):
        run("arm-none-eabi-g++", *M4, "-std=gnu++17", "-fno-exceptions", "-Wall", "-Wextra", "-Werror", f"-I{folder}", "-c",
            tmp_path / f"{name}.cpp", "-o", tmp_path / f"{name}.o")  # fmt: skip
    library = sorted(folder.glob("*.c"))
    assert [c.name for c in library] == ["digits.c", "digits_weights.c"]
    for c in library:
        run("arm-none-eabi-gcc", *M4, "-std=gnu11", f"-I{folder}", "-c", c, "-o", tmp_path / f"{c.stem}.o")
    image = tmp_path / "hello.elf"
    run("arm-none-eabi-gcc", *M4, "--specs=nosys.specs", *tmp_path.glob("*.o"), "-o", image)
    assert "digits_run" in run("arm-none-eabi-nm", image)


def test_arduino_properties(packages: dict[str, Path]) -> None:
    """Arduino library specification 1.5: required fields, names of at most 63 plain characters, a known category."""
    lines = (packages["m4"] / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    assert set(fields) >= {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", fields["name"]) and not fields["name"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert fields["category"] in {
        "Communication", "Data Processing", "Data Storage", "Device Control", "Display", "Other", "Sensors", "Signal Input/Output",
        "Timing", "Uncategorized",
    }  # fmt: skip
    assert all((packages["m4"] / header).is_file() for header in fields["includes"].split(","))


PACK = """
import json, sys
from platformio.package.manifest.schema import ManifestSchema
from platformio.package.pack import PackagePacker
# the list of licences is fetched from the network: this is the entry the manifest names
ManifestSchema.load_spdx_licenses = staticmethod(lambda: {"licenses": [{"licenseId": "MIT-0"}]})
print(PackagePacker(sys.argv[1]).pack(sys.argv[2]))
"""


def test_platformio_packs_it(packages: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("platformio")
    out = run(sys.executable, "-c", PACK, packages["both"], tmp_path).splitlines()[-1]
    with tarfile.open(out) as packed:
        names = set(packed.getnames())
    assert {"both.c", "both.h", "digits_weights.c", "digits_float_weights.c", "library.json"} <= names
    manifest = json.loads((packages["both"] / "library.json").read_text())
    assert manifest["build"]["srcFilter"] == ["-<*>", "+<both.c>", "+<digits_weights.c>", "+<digits_float_weights.c>"]


def test_esp_idf_component(packages: dict[str, Path]) -> None:
    manager = pytest.importorskip("idf_component_tools.manager")
    assert manager.ManifestManager(str(packages["both"]), "both").validate()
    text = (packages["both"] / "CMakeLists.txt").read_text()
    assert 'idf_component_register(SRCS "both.c" "digits_weights.c" "digits_float_weights.c" INCLUDE_DIRS ".")' in text


@CMAKE
def test_esp_idf_takes_the_component_branch(packages: dict[str, Path], tmp_path: Path) -> None:
    """With ESP_PLATFORM the folder registers itself and makes no project; the functions are stand-ins for ESP-IDF's."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(app LANGUAGES C)\nset(ESP_PLATFORM 1)\n"
        "function(idf_component_register)\n  cmake_parse_arguments(A \"\" \"\" \"SRCS;INCLUDE_DIRS\" ${ARGN})\n"
        "  add_library(component STATIC ${A_SRCS})\n  target_include_directories(component PUBLIC ${A_INCLUDE_DIRS})\n"
        "  set(COMPONENT_LIB component PARENT_SCOPE)\nendfunction()\n"
        f'add_subdirectory("{packages["both"]}" both)\n'
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build")
    assert list((tmp_path / "build").rglob("libcomponent.a"))


def test_zephyr_module(packages: dict[str, Path]) -> None:
    """zephyr/module.yml: only keys that west knows; the symbol of Kconfig is the one that CMake asks for, on by default."""
    folder = packages["both"] / "zephyr"
    lines = [line for line in (folder / "module.yml").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["name: both", "build:", "  cmake: zephyr", "  kconfig: zephyr/Kconfig"]
    symbol = re.findall(r"^config (\w+)\n\tbool \"[^\"]+\"\n\tdefault y$", (folder / "Kconfig").read_text(), re.MULTILINE)
    assert symbol == ["EDGEC_BOTH"]
    text = (folder / "CMakeLists.txt").read_text()
    assert text.startswith("if(CONFIG_EDGEC_BOTH)")
    named = re.findall(r"\.\./(\S+\.c)", text)
    assert named == ["both.c", "digits_weights.c", "digits_float_weights.c"]
    assert all((packages["both"] / name).is_file() for name in named)


def test_cmsis_pack_description(packages: dict[str, Path]) -> None:
    """Open-CMSIS-Pack 1.7: the elements every pack has, the file's name, categories, and files that are there."""
    folder = packages["both"]
    root = ElementTree.parse(folder / "edgec.both.pdsc").getroot()
    assert root.tag == "package" and root.get("schemaVersion") == "1.7.7"
    for required in ("vendor", "name", "description", "url", "license", "releases", "components"):
        assert root.find(required) is not None, required
    assert f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc" == "edgec.both.pdsc"
    assert (folder / str(root.findtext("license"))).is_file()
    [component] = root.findall("components/component")
    assert all(component.get(key) for key in ("Cclass", "Cgroup", "Csub", "Cversion"))
    assert [r.get("version") for r in root.findall("releases/release")] == [component.get("Cversion")]
    files = {(f.get("category"), f.get("name")) for f in component.findall("files/file")}
    assert files == {("include", "./"), ("header", "both.h"), *(("sourceC", c.name) for c in folder.glob("*.c"))}
    assert all((folder / str(name)).exists() for _, name in files)


def test_formats_are_narrowed(digits: Path, tmp_path: Path) -> None:
    known = {path.replace("NAME", "digits") for files in FORMATS.values() for _, path in files}
    for stated, wanted in (("none", ()), ("zephyr, cmake", ("zephyr", "cmake"))):
        api.compile(digits / "digits.onnx", tmp_path / stated, target="host", format=stated)
        there = {str(p.relative_to(tmp_path / stated)) for p in (tmp_path / stated).rglob("*") if p.is_file()}
        assert there & known == {path.replace("NAME", "digits") for name in wanted for _, path in FORMATS[name]}
    with pytest.raises(UsageError, match="no format 'yocto'") as caught:
        api.compile(digits / "digits.onnx", tmp_path / "no", target="host", format="cmake,yocto")
    assert "zephyr" in caught.value.hint
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_one_library(packages: dict[str, Path], digits: Path, tmp_path: Path) -> None:
    for folders, name, said in (
        ((packages["int8"], packages["int8"]), "two", "not all different"),
        ((packages["int8"], packages["float"]), "digits", "not all different"),
        ((packages["m4"], packages["float"]), "two", "compiled for cortex-m4 and host"),
        ((), "none", "no models given"),
    ):
        with pytest.raises(UsageError, match=said):
            api.package(folders, tmp_path / "out", name)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="holds something"):
        api.package([packages["int8"]], tmp_path / "full", "two")
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"


@CMAKE
@settings(max_examples=3, deadline=None)
@given(made=st.lists(models(), min_size=4, max_size=4))
def test_libraries_of_random_models(made: list[onnx.ModelProto]) -> None:
    """Kernels of many models in one file: forms that differ keep apart, and every model gives its own bytes."""
    with tempfile.TemporaryDirectory() as home:
        folders = [Path(home) / f"m{index}" for index in range(len(made))]
        for model, folder in zip(made, folders, strict=True):
            onnx.save(model, folder.with_suffix(".onnx"))
            api.compile(folder.with_suffix(".onnx"), folder, target="host", format="none")
        api.package(folders, Path(home) / "all", format="cmake")
        run("cmake", "-S", Path(home) / "all" / "examples" / "cmake", "-B", Path(home) / "build")
        run("cmake", "--build", Path(home) / "build")
        lines = run(Path(home) / "build" / "hello").splitlines()
        for folder in folders:
            printed_values = [float(v) for v in lines[lines.index(folder.name) + 1].split()]
            assert printed_values == pytest.approx(expected(folder), rel=1e-4, abs=1e-5)


@ARM
@pytest.mark.parametrize("level", ["-O0", "-Og", "-Os", "-O3"])
def test_code_compiles_at_every_level(packages: dict[str, Path], tmp_path: Path, level: str) -> None:
    """A debug build of the user's project too: kernels that need every register keep their own level of optimization."""
    run("arm-none-eabi-gcc", *M4, "-std=c11", level, "-g", "-c", packages["m4"] / "digits.c", "-o", tmp_path / "digits.o")
