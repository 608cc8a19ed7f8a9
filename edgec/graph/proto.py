"""The file before anything in it is believed: read, measured and put in order, still as protobuf.

Map of the module, in the order `read` calls it:
    parse            bytes -> ModelProto, or a plain word about why not
    materialise      every tensor's claim against the bytes that are there; external data read from inside the folder only
    check_names      what may be empty, what may be double
    order            topological order at every depth; a cycle is named node by node
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped,unused-ignore]

from edgec.errors import ModelError
from edgec.graph.tensors import materialise

MAX_FILE_BYTES = 2**31 - 1  # protobuf's own limit for one message
MAX_NODES = 100_000
MIN_OPSET = 11
EXPORT_HINT = "export the model again, or open it in Netron to see whether other tools can read it"


def read(path: Path) -> onnx.ModelProto:
    """Reads and checks one `.onnx` file; external tensors come from its folder.  Raises ModelError with the culprit's name."""
    model = parse(path)
    check_opsets(model)
    check_functions(model)
    materialise(model, path.parent)
    check_names(model.graph, set(), "")
    order(model.graph, set())
    return model


def parse(path: Path) -> onnx.ModelProto:
    """Bytes to ModelProto; refuses what is not a file, empty, beyond 2 GiB, truncated, or some other format."""
    if not path.exists():
        raise ModelError(f"there is no model file {str(path)!r}", "check the path and its spelling")
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is not a file", "give the .onnx file itself")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{path.name!r} holds {size} bytes; an ONNX file ends at 2 GiB", "keep the weights in external data")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error.strerror}", "check the file's permissions") from error
    if not data:
        raise ModelError(f"{path.name!r} is empty (0 bytes)", "export or download the model again")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        known = _other_format(data)
        what = f"is {known}, not ONNX" if known else "is not an ONNX file, or is cut off"
        hint = "convert it to ONNX first" if known else "compare its size with the original and download or export it again"
        raise ModelError(f"{path.name!r} {what}", hint) from error
    check_text(model, path.name)
    if not model.graph.node and not model.graph.output:
        raise ModelError(f"{path.name!r} holds no graph: it is not an ONNX model, or only its first bytes", EXPORT_HINT)
    if not model.graph.output:
        raise ModelError(f"the graph of {path.name!r} has no outputs", "mark at least one tensor as graph output")
    return model


def check_text(message: Message, file: str) -> None:
    """Names must be UTF-8: protobuf hands over broken ones as bytes."""
    for field, value in message.ListFields():
        if isinstance(value, bytes):
            if field.type == FieldDescriptor.TYPE_STRING:
                raise ModelError(f"{file!r} is damaged: a {field.name} of it is no text ({value[:40]!r})", EXPORT_HINT)
        elif field.message_type is not None:
            for inner in (value,) if isinstance(value, Message) else value:
                check_text(inner, file)
        elif field.type == FieldDescriptor.TYPE_STRING and not isinstance(value, str):
            for text in value:
                if isinstance(text, bytes):
                    raise ModelError(f"{file!r} is damaged: a name in it is no text ({text[:40]!r})", EXPORT_HINT)


def _other_format(data: bytes) -> str:
    if data[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if data[:4] == b"PK\x03\x04":
        return "a zip archive (PyTorch or Keras)"
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        return "an HDF5 file (Keras)"
    return "a Git LFS pointer" if data.startswith(b"version https://git-lfs") else ""


def check_opsets(model: onnx.ModelProto) -> None:
    """The main opset must lie in 11 .. the newest the installed onnx package knows."""
    newest = onnx.defs.onnx_opset_version()
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("the model does not say which ONNX opset it uses", EXPORT_HINT)
    if not MIN_OPSET <= versions[0] <= newest:
        hint = "export with opset 13 to 21" if versions[0] < MIN_OPSET else "upgrade the onnx package, or export with opset 21"
        raise ModelError(f"the model uses ONNX opset {versions[0]}; this installation reads {MIN_OPSET} to {newest}", hint)


def check_functions(model: onnx.ModelProto) -> None:
    """Inlining must end and stay small: recursion and exponential nesting are refused before it starts."""
    bodies = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterator[onnx.NodeProto], path: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in path:
                raise ModelError(f"the model-local function {node.op_type!r} calls itself", EXPORT_HINT, node.name)
            if key in bodies and key not in sizes:
                sizes[key] = size(all_nodes(bodies[key].node), (*path, key))
            total += sizes.get(key, 1)
        return total

    total = size(all_nodes(model.graph.node), ())
    if total > MAX_NODES:
        raise ModelError(f"the model has {total} nodes once its functions are inlined", f"edgec reads up to {MAX_NODES}")


def all_nodes(nodes: object) -> Iterator[onnx.NodeProto]:
    """Every node of a node list, those of subgraphs included."""
    for node in nodes:  # type: ignore[attr-defined]
        yield node
        for graph in subgraphs(node):
            yield from all_nodes(graph.node)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node (If, Loop, Scan) holds in its attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def node_label(node: onnx.NodeProto) -> str:
    """How messages call a node: its name, else its operator and first output."""
    return repr(node.name) if node.name else f"{node.op_type} -> {node.output[0] if node.output else ''!r}"


def check_names(graph: onnx.GraphProto, outer: set[str], where: str) -> None:
    """Every tensor is made once and every node says what it is.  Initialisers may repeat an input's name (its default)."""
    made: set[str] = set()

    def make(name: str, what: str, node: str = "") -> None:
        if name in made or name in outer:
            raise ModelError(f"the tensor name {name!r} is given twice ({what}{where})", "give every tensor its own name", node)
        made.add(name)

    for value in graph.input:
        if not value.name:
            raise ModelError(f"a graph input{where} has no name", "name every graph input", "")
        make(value.name, "a graph input")
    defaults = set(made)
    seen: set[str] = set()
    for tensor in graph.initializer:
        if not tensor.name:
            raise ModelError(f"an initialiser{where} has no name", "name every initialiser; unnamed weights cannot be used")
        if tensor.name in seen:
            raise ModelError(f"the initialiser {tensor.name!r} appears twice{where}", "give every initialiser its own name")
        seen.add(tensor.name)
        if tensor.name not in defaults:
            make(tensor.name, "an initialiser")
    for node in graph.node:
        if not node.op_type:
            raise ModelError(f"node {node.name!r}{where} has no operator type", EXPORT_HINT, node.name)
        for name in node.output:
            if name:
                make(name, f"an output of node {node_label(node)}", node.name)
        for graph_inside in subgraphs(node):
            check_names(graph_inside, outer | defaults | seen, f" inside node {node_label(node)}")
    for value in graph.output:
        if value.name not in made and value.name not in outer:
            raise ModelError(f"the graph output {value.name!r}{where} is made by no node", EXPORT_HINT)
    if not where and len({value.name for value in graph.output}) < len(graph.output):
        raise ModelError("a graph output is listed twice", "list each output once")


def free_names(node: onnx.NodeProto) -> set[str]:
    """Names a node needs from its own graph: its inputs and what its subgraphs capture."""
    needed = {name for name in node.input if name}
    for graph in subgraphs(node):
        local = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        local |= {name for inner in graph.node for name in inner.output}
        wanted = {value.name for value in graph.output}.union(*(free_names(inner) for inner in graph.node))
        needed |= wanted - local
    return needed


def order(graph: onnx.GraphProto, outer: set[str]) -> None:
    """Sorts nodes topologically in place, keeping the file's order where it can.  Raises ModelError for undefined names and cycles."""
    known = outer | {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    maker = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs: list[set[int]] = []
    for node in graph.node:
        wanted = free_names(node)
        for name in sorted(wanted - known):
            if name not in maker:
                raise ModelError(
                    f"node {node_label(node)} reads {name!r}, which nothing in the model makes", EXPORT_HINT, node.name
                )
        needs.append({maker[name] for name in wanted - known})
    done: set[int] = set()
    sorted_indices: list[int] = []
    waiting = list(range(len(graph.node)))
    while waiting:
        later = []
        for index in waiting:
            if needs[index] <= done:
                done.add(index)
                sorted_indices.append(index)
            else:
                later.append(index)
        if len(later) == len(waiting):
            _raise_cycle(graph, needs, set(waiting))
        waiting = later
    if sorted_indices != list(range(len(graph.node))):
        nodes = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in sorted_indices]
        del graph.node[:]
        graph.node.extend(nodes)
    for node in graph.node:
        for inner in subgraphs(node):
            order(inner, known | set(maker))


def _raise_cycle(graph: onnx.GraphProto, needs: list[set[int]], stuck: set[int]) -> None:
    path = [min(stuck)]
    while True:  # every stuck node needs another stuck node, so walking back must meet itself
        previous = min(needs[path[-1]] & stuck)
        if previous in path:
            loop = [*path[path.index(previous) :], previous][::-1]
            names = " -> ".join(node_label(graph.node[index]) for index in loop)
            raise ModelError(f"the graph has a cycle: {names}", EXPORT_HINT, graph.node[previous].name)
        path.append(previous)
