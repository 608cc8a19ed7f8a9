"""Every emulated board: measured, run on many inputs, looked into, driven as the official runner does."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgec.emulate.boards import emulated_target, start_board
from edgec.emulate.run import build_for_emulation, dump_layers, measure, run_inputs
from edgec.errors import BuildError, InputError, LinkError, UsageError
from edgec.harness.bench import bench
from edgec.harness.commands import infer, load_input, output_bytes
from edgec.harness.link import Link
from edgec.harness.protocol import command, dump_rows
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.package import load_package
from tests.harness import fake_package
from tests.harness.runner import official_sequence

BOARDS = ["mps2-an385", "mps2-an386", "mps2-an386-big", "mps2-an500", "mps2-an505", "mps3-an547", "microbit", "netduinoplus2"]
PATTERN = fake_package.pattern(490)


@pytest.mark.parametrize("board", [*BOARDS, "cortex-m0plus"])
def test_measure(board: str, kws: Path) -> None:
    document = measure(kws, load_target(board))
    output, _ = fake_package.reference(PATTERN)
    assert document["output_crc32"] == f"{zlib.crc32(output):08x}"
    assert (document["model"], document["target"]) == ("kws.onnx", board)
    assert document["macs"] == 588
    ram, flash = document["ram"], document["flash"]
    assert (ram["arena"], ram["scratch"], ram["io"]) == (1056, 16, 0)
    assert 0 < ram["stack"] < 200
    assert ram["total"] == sum(ram[part] for part in ("arena", "scratch", "io", "data_bss", "stack"))
    assert flash["total"] == flash["code"] + flash["weights"]
    assert [layer["name"] for layer in document["layers"]] == ["table_0", "sum_1", "dense_2"]
    counted = [layer["instructions"] for layer in document["layers"]]
    assert all(count > 1000 for count in counted)
    assert document["instructions"] == sum(counted) + document["overhead"]["instructions"]
    if load_target(board).timing is None:
        assert document["cycles_estimate"] is None
    else:
        assert 1.2 < document["cycles_estimate"] / document["instructions"] < 2.5
        assert "Technical Reference Manual" in document["cycles_model"]


@pytest.mark.parametrize("board", BOARDS)
def test_many_inputs_and_layers(board: str, kws: Path) -> None:
    rng = np.random.default_rng(1)
    samples = rng.integers(-128, 128, (20, 1, 49, 10)).astype(np.int8)
    expected = [fake_package.reference(sample.tobytes()) for sample in samples]
    target = load_target(board)
    assert run_inputs(kws, target, {"in": samples}) == b"".join(output for output, _ in expected)
    assert dump_layers(kws, target, {"in": samples[3:4]}) == expected[3][1]


@pytest.mark.parametrize("board", BOARDS)
def test_official_sequence(board: str, kws: Path) -> None:
    image, target = build_for_emulation(kws, load_target(board))
    with start_board(target, image.elf) as running, Link(running.url) as link:
        boot = link.receive().lines
        assert boot[0] == "m-timestamp-mode-performance"
        assert boot[2:] == ("m-init-done",)
        official_sequence(lambda line: link.ask(line, check=False), bytes((i * 7 + 3) % 256 for i in range(490)))


@pytest.mark.parametrize("board", [board for board in BOARDS if board != "netduinoplus2"])  # QEMU's TIM2 ticks at 1 GHz
def test_the_clock_runs_at_a_million_a_second(board: str, kws: Path) -> None:
    image, target = build_for_emulation(kws, load_target(board))
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        begin = time.monotonic()
        first = link.ask(b"timestamp%").numbers("m-lap-us-")[0]
        time.sleep(0.4)
        second = link.ask(b"timestamp%").numbers("m-lap-us-")[0]
        passed = 1e6 * (time.monotonic() - begin)
    assert 300_000 < second - first < passed * 1.2


def test_trace_firmware_over_the_line(kws: Path) -> None:
    image, target = build_for_emulation(kws, load_target("mps2-an386"), trace=True)
    _, steps = fake_package.reference(PATTERN)
    sizes = [(step.rows, step.row_bytes) for step in load_package(kws).steps]
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        for index, (rows, row_bytes) in enumerate(sizes):
            found = bytearray(rows * row_bytes)
            for step, row, offset, data in dump_rows(link.ask(command("edgec", "dump", index))):
                assert step == index
                found[row * row_bytes + offset : row * row_bytes + offset + len(data)] = data
            assert bytes(found) == steps[index]
        assert {row[0] for row in dump_rows(link.ask(b"edgec dump all%"))} == {0, 1, 2}
        layers = link.ask(b"edgec layers 2%")
        assert layers.values("m-layers-unit-") == ["us"]
        assert len(layers.values("m-layer-")) == 3
        assert link.ask(b"edgec dump 3%", check=False).error is not None


@pytest.mark.parametrize(("board", "counter"), [("mps2-an386", "timer"), ("microbit", "timer")])
def test_what_counts_cycles(board: str, counter: str, kws: Path) -> None:
    """QEMU has no DWT, which is how an emulated Cortex-M4 is told from a real one; then the board's timer counts."""
    image, target = build_for_emulation(kws, load_target(board), trace=True)
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        assert link.ask(b"edgec info%").value("m-edgec-counter-") == counter
        spans = link.ask(b"edgec cycles 5%")
        least, mean, most = (spans.numbers(f"m-cycles-{which}-")[0] for which in ("least", "mean", "most"))
        assert 0 < least <= mean <= most
        layers = link.ask(b"edgec layers 5%")
        assert layers.value("m-layers-unit-") == spans.value("m-cycles-unit-") == "us"
        assert (
            sum(int(text.split("-")[1]) for text in layers.values("m-layer-")) <= layers.numbers("m-layers-total-")[0]
        )


def test_two_models_in_one_firmware(kws: Path, tmp_path: Path) -> None:
    other = fake_package.write(tmp_path / "other", name="other", rows=20, classes=5)
    image = build_firmware([kws, other], load_target("cortex-m4"), tmp_path / "out")
    with start_board(load_target("cortex-m4"), image.elf) as running, Link(running.url) as link:
        link.synchronise()
        for _ in range(2):
            for name, rows, classes in (("kws", 49, 12), ("other", 20, 5)):
                data = bytes((i * 3 + rows) % 256 for i in range(rows * 10))
                link.ask(command("edgec", "model", name))
                assert link.ask(b"profile%").value("m-model-") == ("kws01" if name == "kws" else name)
                load_input(link, data, window=8)
                infer(link, 2, 0)
                assert output_bytes(link) == fake_package.reference(data, rows, classes)[0]


def test_an_overrun_of_the_arena_is_noticed(tmp_path: Path) -> None:
    """The planted fault: the model writes one byte behind its arena."""
    package = fake_package.write(tmp_path / "kws", run="    base[KWS_ARENA_BYTES] = 1;\n")
    image, target = build_for_emulation(package, load_target("cortex-m4"))
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        with pytest.raises(LinkError, match="guard words"):
            infer(link, 1, 0)
    with pytest.raises(BuildError, match="failed"):
        run_inputs(package, load_target("cortex-m4"), PATTERN)


def test_a_fault_is_reported(tmp_path: Path) -> None:
    package = fake_package.write(tmp_path / "kws", run="    *(volatile int *)0xFFFFFFF0u = 1;\n")
    image, target = build_for_emulation(package, load_target("cortex-m4"))
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        with pytest.raises(LinkError, match="Processor fault"):
            infer(link, 1, 0)


def test_large_inputs_are_quick(tmp_path: Path) -> None:
    """150 KB, a 224x224 colour image, as a file; a tenth of it over the serial line (50 microseconds a character)."""
    rows = 15053
    package = fake_package.write(tmp_path / "large", name="large", rows=rows, classes=2)
    data = bytes((i * 5 + i // 256) % 256 for i in range(rows * 10))
    expected = fake_package.reference(data, rows, 2)[0]
    target = load_target("mps2-an386-big")
    begin = time.monotonic()
    assert run_inputs(package, target, data * 4) == expected * 4
    assert time.monotonic() - begin < 20
    image, board = build_for_emulation(package, target)
    with start_board(board, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        begin = time.monotonic()
        load_input(link, data[:15000], window=64)
        assert time.monotonic() - begin < 20
        infer(link, 1, 0)
        assert output_bytes(link) == fake_package.reference(data[:15000] + bytes(rows * 10 - 15000), rows, 2)[0]


def test_emulated_target() -> None:
    assert emulated_target(load_target("nucleo-l4r5zi")).board == "mps2-an386"
    assert emulated_target(load_target("cortex-m0plus")).qemu == "mps2-an385"
    assert emulated_target(load_target("microbit")).name == "microbit"
    with pytest.raises(UsageError, match="cannot be emulated"):
        emulated_target(load_target("host"))


def test_wrong_input_sizes(kws: Path) -> None:
    with pytest.raises(InputError, match="whole samples"):
        run_inputs(kws, load_target("cortex-m4"), b"123")


def test_qemu_that_does_not_start_is_reported(tmp_path: Path) -> None:
    (tmp_path / "not.elf").write_text("nothing")
    with (
        pytest.raises(LinkError, match="did not start"),
        start_board(load_target("cortex-m4"), tmp_path / "not.elf", ["-no-such-option"]),
    ):
        pass


def test_bench_over_a_port(kws: Path) -> None:
    """What `edgec bench --port` does, against the emulator's line."""
    image, target = build_for_emulation(kws, load_target("mps2-an386"), trace=True)
    with start_board(target, image.elf) as running:
        samples = {"in": np.zeros((1, 1, 49, 10), np.int8)}
        document = bench(kws, running.url, runs=3, samples=samples, repeats=2, window=0.1)
    assert document["output_crc32"] == f"{zlib.crc32(fake_package.reference(bytes(490))[0]):08x}"
    assert document["emulated"] and "edgec bench DIR --emulate" in document["note"]
    assert document["emulator_microseconds"] > 0
    assert not {"microseconds", "inferences_per_second"} & (set(document) | set(document["layers"][0]))
    assert len(document["results"]) == 12
    assert len(document["layers"]) == 3
    assert document["stack"] > 0


def test_a_board_without_an_emulator_is_measured_on_its_cpus(kws: Path) -> None:
    document = measure(kws, load_target("nucleo-l4r5zi"))
    assert (document["target"], document["board"]) == ("nucleo-l4r5zi", "mps2-an386")


def test_using_up_the_stack_is_noticed(tmp_path: Path) -> None:
    """The planted fault: all but a few of the 32,768 bytes of stack written."""
    write = "for (int i = 0; i < 32450; i++) { eaten[i] = 1; }"
    eat = f"    volatile uint8_t eaten[32450];\n    {write}\n    (void)eaten[0];\n"
    package = fake_package.write(tmp_path / "kws", run=eat)
    image, target = build_for_emulation(package, load_target("cortex-m4"))
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        with pytest.raises(LinkError, match="stack overflow"):
            infer(link, 1, 0)
