"""What a model file says of its surroundings by itself: the image metadata of the ONNX standard, and lists of labels.

Source: onnx/docs/MetadataProps.md (Image.BitmapPixelFormat, Image.NominalPixelRange).  Labels have no standard; these keys are common.
A file is untrusted: what does not fit is ignored, never an error.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence

from edgec.frontend.spec import LONGEST_LABEL, MOST_LABELS, Around, Image
from edgec.ir.program import Port

LABEL_KEYS = ("labels", "classes", "class_names", "names", "label_names")
LONGEST = 1_000_000  # characters of a value that are looked at
# input = (pixel / range - mean) / std
RANGES = {
    "NominalRange_0_255": Image(range=1.0),
    "Normalized_0_1": Image(range=255.0),
    "Normalized_1_1": Image(range=127.5, mean=(1.0,)),
    "NominalRange_16_235": Image(range=255.0 / 219.0, mean=(-16.0,)),
}


def read(metadata: Mapping[str, str], inputs: Sequence[Port], outputs: Sequence[Port]) -> Around:
    """Around from a model's metadata: pixels for its one image input, labels for its one output of as many elements."""
    images = [port for port in inputs if len(port.shape) == 4 and (port.shape[1] in (1, 3) or port.shape[3] in (1, 3))]
    stated = RANGES.get(metadata.get("Image.NominalPixelRange", ""))
    found = {images[0].name: stated} if stated is not None and len(images) == 1 else {}
    labels = next((names for key in LABEL_KEYS if (names := labels_of(metadata.get(key, "")))), ())
    named = [port for port in outputs if labels and _elements(port) == len(labels)]
    return Around(dict(found), {named[0].name: labels} if len(named) == 1 else {})


def labels_of(text: str) -> tuple[str, ...]:
    """Labels from a JSON list or object (or Python's spelling of one) or from lines; () for anything else."""
    if not text or len(text) > LONGEST:
        return ()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = text.splitlines() if "\n" in text else None
    if isinstance(value, dict):
        numbered = {str(key): name for key, name in value.items()}
        value = [numbered.get(str(index)) for index in range(len(numbered))]
    if not isinstance(value, list) or not 1 < len(value) <= MOST_LABELS:
        return ()
    fits = all(isinstance(name, str) and len(name) <= LONGEST_LABEL for name in value)
    return tuple(name.strip() for name in value) if fits else ()


def _elements(port: Port) -> int:
    count = 1
    for size in port.shape:
        count *= size
    return count
