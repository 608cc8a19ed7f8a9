"""Runs the MLPerf Tiny runner's own classes on a port: what its main.py does between finding the device and summing up.

    python official_driver.py RUNNER PORT DATASETS MODE OUT.json

RUNNER: a checkout's benchmark/runner; DATASETS: folders named like the models; MODE: p or a.  A program of its own, because the
runner's script.py takes over standard output and writes a folder `sessions` where it stands.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types
from pathlib import Path

#: tests_performance.yaml and tests_accuracy.yaml
PERFORMANCE = {"ad01": "infer 1500 10", "ic01": "infer 20 5", "kws01": "infer 70 10", "vww01": "infer 20 5"}
ACCURACY = "infer 1 0"


def main(runner: str, port: str, datasets: str, mode: str, out: str) -> None:
    sys.path.insert(0, runner)
    if importlib.util.find_spec("streaming_ww_utils") is None:  # only the streaming benchmark needs it
        sys.modules["streaming_ww_utils"] = types.ModuleType("streaming_ww_utils")
    from datasets import DataSet  # type: ignore[import-not-found]
    from device_under_test import DUT  # type: ignore[import-not-found]
    from script import Script  # type: ignore[import-not-found]

    dut = DUT(port, baud_rate=115200)
    with dut:
        time.sleep(2)
        name, model, profile = dut.get_name(), dut.get_model(), dut.get_profile()
    truth = (Path(datasets) / model / "y_labels.csv").read_text().splitlines()
    loop = {
        "loop 5" if mode == "p" else f"loop {len(truth)}": ["download", PERFORMANCE[model] if mode == "p" else ACCURACY]
    }
    script = Script({"name": model, "model": model, "truth_file": "y_labels.csv", "script": [loop]})
    results = script.run(None, dut, DataSet(str(Path(datasets) / model), script.truth), mode)
    Path(out).write_text(json.dumps({"name": name, "model": model, "profile": profile, "results": results}))


if __name__ == "__main__":
    main(*sys.argv[1:])
