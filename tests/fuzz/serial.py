"""Command lines no host should send: made at random, or mutated from good ones; and the libFuzzer target that finds more of them.

`make fuzz` runs the target for a minute (SECONDS=3600 make fuzz for longer); findings and corpus stay in build/fuzz.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from edgec.errors import BuildError
from edgec.toolchain.host import build_harness
from tests.harness import fake_package

HERE = Path(__file__).resolve().parent
#: The most inferences a command may ask for, in place of a million: a fuzzer has no patience.
FEW_RUNS = "-DEDGEC_RUNS_MAX=20u"
GOOD = [
    b"name", b"profile", b"timestamp", b"help", b"results", b"db load 490", b"db load 1", b"db print", b"db " + b"5a" * 31,
    b"db 00", b"infer 1 0", b"infer 3 2", b"infer", b"edgec info", b"edgec model kws", b"edgec layers 3", b"edgec cycles 3",
    b"edgec input", b"edgec crc", b"edgec out", b"edgec stack", b"edgec dump 0", b"edgec dump all", b"edgec",
]  # fmt: skip
NUMBERS = [
    b"0",
    b"-1",
    b"1",
    b"490",
    b"491",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"99999999999999999999",
    b"1e3",
    b"",
]


def lines(count: int, seed: int = 0) -> bytes:
    """`count` commands, each with its `%` (some have more inside), in equal parts good, mutated, of good words, and random."""
    chance = random.Random(seed)
    return b"".join(_line(chance) + b"%" for _ in range(count))


def _line(chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(GOOD)
    if kind == 1:
        return _mutated(chance.choice(GOOD), chance)
    if kind == 2:
        words = [word for line in GOOD for word in line.split()] + NUMBERS
        return b" ".join(chance.choice(words) for _ in range(chance.randrange(1, 6)))
    return chance.randbytes(chance.choice((0, 1, 5, 40, 79, 80, 81, 200)))


def _mutated(line: bytes, chance: random.Random) -> bytes:
    out = bytearray(line)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out) + 1)
        what = chance.randrange(6)
        if what == 0:
            out[at:at] = chance.randbytes(1)
        elif what == 1:
            del out[at : at + chance.randrange(1, 4)]
        elif what == 2:
            out[at : at + 1] = bytes([chance.randrange(256)])
        elif what == 3:
            out[at:at] = b" " + chance.choice(NUMBERS)
        elif what == 4:
            out += out[at:]
        else:
            out[at:at] = b" " * chance.randrange(1, 90)
    return bytes(out)


def build_target(out: Path) -> Path | None:
    """The libFuzzer program, with both sanitizers and layers traced; None where clang or its libFuzzer is missing."""
    try:
        return build_harness(
            [fake_package.write(out / "kws")],
            out / "target",
            sanitize=True,
            trace=True,
            board=[HERE / "serial_target.c"],
            flags=["-fsanitize=fuzzer", FEW_RUNS],
            compiler="clang",
        )
    except (BuildError, OSError) as error:
        if "fuzzer" in str(error) or "clang" in str(error):
            return None
        raise


def fuzz(program: Path, corpus: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One run of the target on `corpus`, which good lines and a whole session are put into first, with their words to mutate by."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate(GOOD):
        (corpus / f"good-{number}").write_bytes(b"db load 490%" + line + b"%")
    whole = b"db load 490%" + (b"db " + b"5a" * 31 + b"%") * 15 + b"db " + b"5a" * 25 + b"%"
    (corpus / "session").write_bytes(whole + b"infer 1 0%edgec out%")
    words = {word.decode() for line in GOOD for word in line.split()} | {"%", "db " + "00" * 31 + "%"}
    dictionary = corpus.parent / "words"
    dictionary.write_text("".join(f'"{word}"\n' for word in sorted(words)), encoding="ascii")
    findings = f"-artifact_prefix={corpus.parent}/"
    command = [
        program,
        "-max_len=2048",
        f"-dict={dictionary}",
        "-timeout=20",
        "-seed=1",
        "-print_final_stats=1",
        findings,
        *options,
        corpus,
    ]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def main() -> int:
    seconds = int(os.environ.get("SECONDS", "60"))
    with tempfile.TemporaryDirectory(prefix="edgec-fuzz-") as scratch:
        program = build_target(Path(scratch))
        if program is None:
            print("libFuzzer is missing: apt-get install clang libclang-rt-14-dev (or the version of your clang)")  # noqa: T201
            return 4
        done = fuzz(program, Path("build/fuzz/corpus"), f"-max_total_time={seconds}")
    print("\n".join(done.stderr.splitlines()[-12:]))  # noqa: T201
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
