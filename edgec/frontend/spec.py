"""What a user states about a model's surroundings, checked: `[input.NAME]` and `[output.NAME]` of edgec.toml, or the same as dicts.

    [input.image]              # the name of a model input
    kind = "image"             # uint8 pixels, rows of width * channels
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]
    range = 255                # input = (pixel / range - mean) / std
    order = "bgr"              # the camera's, where the model was trained on the opposite

    [input.features]
    kind = "mfcc"              # or "log_mel": int16 samples, one row of features a frame
    rate = 16000
    frame = 640
    hop = 320
    mels = 40
    coefficients = 10

    [output.scores]
    labels = "labels.txt"      # one a line, or a list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from edgec.errors import UsageError

MOST_LABELS, LONGEST_LABEL = 100_000, 200
CHOICES = {
    "order": ("as_model", "reversed", "bgr", "rgb"),
    "window": ("hann", "hann_symmetric", "hamming", "none"),
    "log": ("ln", "log10", "db", "ln_plus", "none"),
    "mel": ("htk", "htk_hertz", "slaney"),
    "dct": ("ortho", "tf"),
    "spectrum": ("power", "magnitude"),
}


@dataclass(frozen=True)
class Image:
    """Pixels of 0..255.  mean, std: one number, or one a channel in the model's order of channels."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    range: float = 255.0
    order: str = "as_model"  # "bgr", "rgb", "reversed": pixels come in the opposite order of the model's channels ("rgb" of a bgr model)


@dataclass(frozen=True)
class Sound:
    """Log-mel energies (coefficients 0) or mel-frequency cepstral coefficients of overlapping frames of 16-bit samples.

    frame, hop: samples; fft: length of the transform, a power of two (0: the next one); low, high: edges of the mel bands in Hz
    (high 0: half the rate); floor: what a band counts at least before the logarithm ("ln_plus" adds it); mean, std: what is taken
    away and divided by at the end, one number or one a feature; mel: how TensorFlow ("htk"), torchaudio ("htk_hertz") or librosa
    ("slaney") lay the bands.
    """

    rate: int
    frame: int
    hop: int
    mels: int
    coefficients: int = 0
    fft: int = 0
    low: float = 0.0
    high: float = 0.0
    window: str = "hann"
    spectrum: str = "power"
    mel: str = "htk"
    log: str = "ln"
    floor: float = 1e-6
    dct: str = "ortho"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def length(self) -> int:
        """Points of the transform."""
        return self.fft or 1 << max(3, (self.frame - 1).bit_length())

    @property
    def features(self) -> int:
        """Numbers a frame gives."""
        return self.coefficients or self.mels


@dataclass(frozen=True)
class Around:
    """Everything stated: by the name of a model input, and labels by the name of an output."""

    inputs: Mapping[str, Image | Sound] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse(stated: Mapping[str, Any], folder: Path = Path()) -> Around:
    """Around from the tables `input` and `output`.  folder: where files of labels are meant from.  Raises UsageError."""
    inputs = {name: _input(name, entry) for name, entry in _tables(stated, "input").items()}
    labels = {
        name: _labels(name, entry["labels"], folder)
        for name, entry in _tables(stated, "output").items()
        if _only(f"output.{name}", entry, ("labels",))
    }
    return Around(inputs, labels)


def _tables(stated: Mapping[str, Any], key: str) -> Mapping[str, Mapping[str, Any]]:
    found = stated.get(key, {})
    if not isinstance(found, Mapping) or not all(isinstance(entry, Mapping) for entry in found.values()):
        raise UsageError(f"{key} of the project file holds no tables", f"write [{key}.NAME] with the name of a model {key}")
    return found


def _only(where: str, entry: Mapping[str, Any], known: Sequence[str]) -> bool:
    """True for a table that is not empty; UsageError for names that mean nothing."""
    for name in entry:
        if name not in known:
            raise UsageError(f"[{where}] has no setting {name!r}", f"it takes: {', '.join(known)}")
    return bool(entry)


def _input(name: str, entry: Mapping[str, Any]) -> Image | Sound:
    kind = entry.get("kind")
    if kind not in ("image", "mfcc", "log_mel"):
        raise UsageError(f"[input.{name}] is of kind {kind!r}", 'write kind = "image", "mfcc" or "log_mel"')
    shape = Image if kind == "image" else Sound
    _only(f"input.{name}", {k: v for k, v in entry.items() if k != "kind"}, [f.name for f in fields(shape)])
    values: dict[str, Any] = {}
    for part in fields(shape):
        if part.name in entry:
            values[part.name] = _value(name, part.name, str(part.type), entry[part.name])
        elif part.default is MISSING:
            raise UsageError(f"[input.{name}] does not say its {part.name}", f"for example {part.name} = 40")
    made = shape(**values)
    if any(value == 0 for value in made.std):
        raise UsageError(f"[input.{name}]: std is zero", "leave it out for 1")
    return _image(name, made) if isinstance(made, Image) else _sound(name, made, kind)


def _value(name: str, key: str, kind: str, value: Any) -> Any:
    """A setting as the type of its field."""
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise UsageError(f"[input.{name}]: {key} is {value!r}", f"it is one of {', '.join(CHOICES[key])}")
        return value
    many = list(value) if isinstance(value, (list, tuple)) and kind.startswith("tuple") else [value]
    for number in many:
        if isinstance(number, bool) or not isinstance(number, int if kind == "int" else (int, float)):
            raise UsageError(f"[input.{name}]: {key} is {value!r}", f"it is {'a whole number' if kind == 'int' else 'a number'}")
        if abs(number) > 1e9 or number != number:
            raise UsageError(f"[input.{name}]: {key} is {value!r}", "numbers are finite and below 1e9")
    return tuple(float(n) for n in many) if kind.startswith("tuple") else int(value) if kind == "int" else float(value)


def _image(name: str, made: Image) -> Image:
    if made.range <= 0:
        raise UsageError(f"[input.{name}]: range is {made.range:g}", "it is what a white pixel is divided by: 255, 127.5 or 1")
    return made


def _sound(name: str, made: Sound, kind: str) -> Sound:
    """Settings that fit each other."""
    if (kind == "mfcc") != (made.coefficients > 0):
        raise UsageError(f"[input.{name}]: coefficients is {made.coefficients} with kind {kind!r}", "MFCCs have some, log-mels none")
    rules = (
        (made.rate > 0 and 0 < made.hop <= made.frame <= 16384, "0 < hop <= frame <= 16384"),
        (made.length <= 16384 and made.length & (made.length - 1) == 0, "fft is a power of two up to 16384"),
        (made.length >= max(made.frame, 8), "fft is not shorter than frame, and at least 8"),
        (0 < made.mels <= 512 and made.coefficients <= made.mels, "there are 1 to 512 mels, not less than coefficients"),
        (0 <= made.low < (made.high or made.rate / 2) <= made.rate / 2, "0 <= low < high <= rate / 2"),
        (made.floor > 0, "floor is above zero"),
        (len(made.mean) in (1, made.features) and len(made.std) in (1, made.features), "mean and std have one number or one a feature"),
    )
    for holds, rule in rules:
        if not holds:
            raise UsageError(f"[input.{name}] does not fit together", rule)
    return made


def read_labels(path: Path) -> list[str]:
    """Names of classes from a text file, one a line; empty lines do not count.  Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "give a text file with the name of a class on each line") from error
    return [line.strip() for line in lines if line.strip()]


def _labels(name: str, value: Any, folder: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        value = read_labels(folder / value)
    if not isinstance(value, Sequence) or not all(isinstance(label, str) for label in value):
        raise UsageError(f"[output.{name}]: labels is not a list of texts", 'write labels = ["yes", "no"] or a file')
    if len(value) > MOST_LABELS or any(len(label) > LONGEST_LABEL for label in value):
        hint = f"at most {MOST_LABELS:,} labels of {LONGEST_LABEL} characters"
        raise UsageError(f"[output.{name}]: the labels are too many or too long", hint)
    return tuple(label.strip() for label in value)
