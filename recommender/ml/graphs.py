"""Make a user tower's graph smaller: bytes for weights, half floats, or shorter vectors around it.

Needs `onnx`, as exporting does; serving never imports this module.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from recommender.ml.interactions import FloatArray

VECTORS, USER = "vectors", "user"  # inputs that hold item vectors, and the user's own
WIDE = "_wide"  # ending of tensors inside the graph that keep the original width
FEW = 256  # numbers below which rounding saves nothing


def quantize_graph(graph: bytes) -> bytes:
    """Return the graph with its weight matrices as int8, one scale per output column.

    Only products with a constant matrix change (the layers); attention and norms stay float32.
    What enters a layer is rounded to a byte at each request ("dynamic quantization"). Weights use
    seven bits: on CPUs without VNNI the sums of eight-bit products can overflow.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # pulls in onnx tools

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(graph)
        quantize_dynamic(
            before,
            after,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        return after.read_bytes()


def halve_graph(graph: bytes) -> bytes:
    """Return the graph with its weights stored as float16 and widened once, at load.

    Names of nodes and notes of shapes are dropped: in a small tower they are a sixth of the bytes.
    """
    model = onnx.load_from_string(graph)
    _forget_notes(model.graph)
    kept, widened = [], []
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < FEW:
            kept.append(weight)
            continue
        name = f"{weight.name}_half"
        kept.append(numpy_helper.from_array(array.astype(np.float16), name))
        widened.append(helper.make_node("Cast", [name], [weight.name], to=onnx.TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def shorten_graph(graph: bytes, bases: Mapping[str, FloatArray], result: FloatArray) -> bytes:
    """Return a graph that reads and returns short vectors: z stands for basis · z.

    Args:
        graph: reads some of `VECTORS` (B, L, D) and `USER` (B, D), returns (B, D).
        bases: input → (D, k) orthonormal columns; inputs that the graph does not have are left out.
        result: (D, k) orthonormal columns of the vectors returned.
    """
    model = onnx.load_from_string(graph)
    (output,) = model.graph.output
    inputs = [entry for entry in model.graph.input if entry.name in bases]
    _rename(model.graph, {entry.name: entry.name + WIDE for entry in (*inputs, output)})
    nodes = list(model.graph.node)
    for entry in inputs:
        weight = _add_matrix(model, f"{entry.name}_basis", bases[entry.name].T)
        nodes.insert(0, helper.make_node("MatMul", [entry.name, weight], [entry.name + WIDE]))
    weight = _add_matrix(model, f"{output.name}_basis", result)
    nodes.append(helper.make_node("MatMul", [output.name + WIDE, weight], [output.name]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for entry in (*inputs, output):
        entry.type.tensor_type.shape.dim[-1].dim_value = result.shape[1]
    del model.graph.value_info[:]  # shapes noted for the old width
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _add_matrix(model: onnx.ModelProto, name: str, matrix: FloatArray) -> str:
    array = np.ascontiguousarray(matrix, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename tensors wherever a node reads or writes them, branches included."""
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
        for branch in _branches(node):
            _rename(branch, names)
            for entry in branch.output:
                entry.name = names.get(entry.name, entry.name)


def _forget_notes(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    for node in graph.node:
        node.name = node.doc_string = ""
        for branch in _branches(node):
            _forget_notes(branch)


def _branches(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs
