"""Train the demo model: a small convolutional net on scikit-learn's 8x8 digits, in plain numpy, then quantize it.

    python examples/digits/train_digits.py

Writes, beside this file: digits_f32.onnx (float32), digits.onnx (int8, per-channel QDQ) and digits.npz (50 test digits
with labels).  Same numpy, scikit-learn and onnxruntime: same files.  Takes about ten seconds.

    image [1,1,8,8] -> conv 3x3 8 -> relu -> conv 3x3 stride 2 16 -> relu -> average pool 2x2 -> dense -> scores [1,10]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
SEED, EPOCHS, BATCH, RATE = 7, 120, 32, 5e-3
TEST, SHIPPED, CALIBRATION = 360, 50, 200


def load_data() -> tuple[np.ndarray, ...]:
    """Train images [N,1,8,8] float32 in 0..1 and labels, then test images and labels, shuffled by a fixed seed."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(labels))
    images = (images[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels[order].astype(np.int64)
    return images[TEST:], labels[TEST:], images[:TEST], labels[:TEST]


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """3x3 convolution with padding 1, and the windows [N,C,OH,OW,3,3] its gradient needs."""
    windows = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, w, optimize=True) + b[:, None, None], windows


def conv_back(gy: np.ndarray, windows: np.ndarray, w: np.ndarray, shape: tuple[int, ...], stride: int) -> np.ndarray:
    """Gradient of `conv` with respect to its input."""
    gx = np.zeros((shape[0], shape[1], shape[2] + 2, shape[3] + 2), np.float32)
    height, width = gy.shape[2] * stride, gy.shape[3] * stride
    for i in range(3):
        for j in range(3):
            gx[:, :, i : i + height : stride, j : j + width : stride] += np.einsum(
                "nohw,oc->nchw", gy, w[:, :, i, j], optimize=True
            )
    return gx[:, :, 1:-1, 1:-1]


def forward(p: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Scores [N,10] last, and what the gradients need before it."""
    y1, win1 = conv(x, p["w1"], p["b1"], 1)
    a1 = np.maximum(y1, 0)
    y2, win2 = conv(a1, p["w2"], p["b2"], 2)
    a2 = np.maximum(y2, 0)
    pooled = a2.reshape(-1, 16, 2, 2, 2, 2).mean(axis=(3, 5)).reshape(-1, 64)
    return y1, win1, a1, y2, win2, a2, pooled, pooled @ p["w3"] + p["b3"]


def gradients(p: dict[str, np.ndarray], x: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Gradient of the mean cross entropy with respect to every parameter."""
    y1, win1, a1, y2, win2, _, pooled, scores = forward(p, x)
    probability = np.exp(scores - scores.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    probability[np.arange(len(x)), labels] -= 1
    g = probability / len(x)
    g2 = np.repeat(np.repeat((g @ p["w3"].T).reshape(-1, 16, 2, 2), 2, axis=2), 2, axis=3) / 4 * (y2 > 0)
    g1 = conv_back(g2, win2, p["w2"], a1.shape, 2) * (y1 > 0)
    return {
        "w1": np.einsum("nohw,nchwij->ocij", g1, win1, optimize=True),
        "b1": g1.sum(axis=(0, 2, 3)),
        "w2": np.einsum("nohw,nchwij->ocij", g2, win2, optimize=True),
        "b2": g2.sum(axis=(0, 2, 3)),
        "w3": pooled.T @ g,
        "b3": g.sum(axis=0),
    }


def train(x: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Adam with a falling rate; every image is shifted by up to one pixel at random."""
    rng = np.random.default_rng(SEED)
    shapes = {"w1": (8, 1, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "b2": (16,), "w3": (64, 10), "b3": (10,)}
    fan_in = {"w1": 9, "w2": 72, "w3": 64}
    p = {
        name: (rng.normal(size=shape) * np.sqrt(2 / fan_in[name]) if name in fan_in else np.zeros(shape)).astype(
            np.float32
        )
        for name, shape in shapes.items()
    }
    mean = {name: np.zeros_like(value) for name, value in p.items()}
    square = {name: np.zeros_like(value) for name, value in p.items()}
    steps = 0
    total = EPOCHS * (len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[start : start + BATCH]
            shift = rng.integers(-1, 2, size=2)
            batch = np.roll(x[pick], shift, axis=(2, 3)) if rng.random() < 0.5 else x[pick]
            rate = RATE * (1 - steps / total)
            steps += 1
            for name, g in gradients(p, batch, labels[pick]).items():
                mean[name] = 0.9 * mean[name] + 0.1 * g
                square[name] = 0.999 * square[name] + 0.001 * g * g
                p[name] -= (
                    rate * (mean[name] / (1 - 0.9**steps)) / (np.sqrt(square[name] / (1 - 0.999**steps)) + 1e-8)
                ).astype(np.float32)
    return p


def export(p: dict[str, np.ndarray], path: Path) -> None:
    """The float model as ONNX, opset 17."""
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], "conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node(
            "Conv", ["r1", "w2", "b2"], ["c2"], "conv2", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]
        ),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("AveragePool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"], "dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in p.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="edgec examples/digits")
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


class Images(CalibrationDataReader):
    """Training images, one at a time, as onnxruntime's quantizer asks for them."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images for which onnxruntime's highest score is the label."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    scores = [session.run(None, {"image": image[None]})[0].argmax() for image in images]
    return float(np.mean(np.array(scores) == labels))


def main() -> None:
    x, y, test_x, test_y = load_data()
    export(train(x, y), HERE / "digits_f32.onnx")
    quantize_static(
        HERE / "digits_f32.onnx",
        HERE / "digits.onnx",
        Images(x[:CALIBRATION]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )
    firsts = np.stack([np.flatnonzero(test_y == digit)[: SHIPPED // 10] for digit in range(10)], axis=1).ravel()
    np.savez_compressed(HERE / "digits.npz", image=test_x[firsts], labels=test_y[firsts])
    for name in ("digits_f32.onnx", "digits.onnx"):
        path = HERE / name
        print(f"{name}: {accuracy(path, test_x, test_y):.2%} of {TEST} test digits, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
