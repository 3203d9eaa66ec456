"""What an ONNX model may hold, checked on its bytes before a runtime sees them.

onnxruntime follows external tensors, sparse ones even from a model given as bytes, and reads a second model format.
The scan refuses whatever reaches outside the file, runs code of others, or has another interface than promised. It
bounds stored tensors and direct expansions, but not every product that a graph can compute from small tensors.
"""

from __future__ import annotations

from edge_agent import onnx_format as onnx
from edge_agent.io_schema import BATCH, FLOAT32, IoSchema, TensorSchema
from edge_agent.onnx_tensor import check_tensor, largest_expansion, refused, shape_size
from edge_agent.protobuf import Message, decode, malformed

NODES_CAP = 4096
EXPANSION_CAP_N = 1 << 20
"""Largest number of elements that a constant shape may expand a tensor to."""

_ORT_FORMAT = slice(4, 8)
_ORT_MARK = b"ORTM"


def scan_onnx(model: bytes, schema: IoSchema) -> None:
    """Refuse a model that this agent does not run.

    Args:
        model: The member ``model.onnx``.
        schema: The inputs and outputs it must have.

    Raises:
        ModelRejected: ``reason`` names the rule, ``onnx_...``.
    """
    if model[_ORT_FORMAT] == _ORT_MARK:
        # onnxruntime looks for this mark first: such a file can be one model to protobuf and another one to it.
        raise refused("onnx_ort_format", "an ONNX file", "the mark of the ORT format")
    root = decode(memoryview(model), onnx.MODEL)
    _check_model(root)
    graphs = root.messages("graph", onnx.GRAPH)
    if not graphs:
        raise malformed("a graph, got none")
    _scan_graph(graphs[0], schema)


def _check_model(root: Message) -> None:
    if root.has("functions"):
        raise refused("onnx_function", "operators of the standard only", "functions of the model's own")
    if root.has("training_info"):
        raise refused("onnx_training", "a graph for inference", "training information")
    if root.number("ir_version") not in onnx.IR_VERSIONS:
        raise refused("onnx_ir_version", f"an IR version in {onnx.IR_VERSIONS}", str(root.number("ir_version")))
    operator_sets = root.messages("opset_import", onnx.OPERATOR_SET)
    for operator_set in operator_sets:
        _check_domain(operator_set.text("domain"))
    versions = [operator_set.number("version") for operator_set in operator_sets]
    if len(versions) != 1 or versions[0] not in onnx.OPSETS:
        raise refused("onnx_opset", f"one operator set with a version in {onnx.OPSETS}", str(versions))


def _scan_graph(graph: Message, schema: IoSchema) -> None:
    if graph.has("sparse_initializer"):
        raise refused("onnx_sparse", "dense tensors", "a sparse initializer")
    _check_interface(graph, schema)
    nodes = graph.messages("node", onnx.NODE)
    if len(nodes) > NODES_CAP:
        raise refused("onnx_node_count", f"at most {NODES_CAP} nodes", str(len(nodes)))
    expansions: dict[str, int] = {}
    for tensor in graph.messages("initializer", onnx.TENSOR):
        check_tensor(tensor)
        expansions[tensor.text("name")] = largest_expansion(tensor)
    for node in nodes:
        _scan_node(node, expansions)
    # Only now: onnxruntime sorts the nodes, so a Constant may stand after the Expand that it is for.
    for node in nodes:
        _check_expansion(node, expansions)


def _check_domain(domain: str) -> None:
    if domain not in onnx.DOMAINS:
        raise refused("onnx_custom_domain", "operators of the ONNX standard", f"domain {domain!r}")


def _check_interface(graph: Message, schema: IoSchema) -> None:
    for side, expected in (("input", schema.inputs), ("output", schema.outputs)):
        got = tuple(_describe(value) for value in graph.messages(side, onnx.VALUE_INFO))
        if got != expected:
            raise refused("onnx_interface", f"{side}s {_show(expected)}", _show(got))


def _describe(value: Message) -> TensorSchema:
    kinds = [
        tensor
        for kind in value.messages("type", onnx.TYPE)
        for tensor in kind.messages("tensor_type", onnx.TENSOR_TYPE)
    ]
    axes = [
        _axis(axis)
        for tensor in kinds
        for shape in tensor.messages("shape", onnx.SHAPE)
        for axis in shape.messages("dim", onnx.DIMENSION)
    ]
    data_type = kinds[0].number("elem_type") if kinds else 0
    dtype = FLOAT32 if data_type == onnx.FLOAT else f"data type {data_type}"
    return TensorSchema(value.text("name"), dtype, tuple(axes))


def _axis(axis: Message) -> int:
    if not axis.has("dim_value"):
        return BATCH
    if axis.has("dim_param") or axis.number("dim_value") < 0:
        raise malformed("an axis with a size or a name, got both or a negative size")
    return axis.number("dim_value")


def _show(tensors: tuple[TensorSchema, ...]) -> str:
    shown = (f"{tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in tensors)
    return "; ".join(shown) or "none"


def _scan_node(node: Message, expansions: dict[str, int]) -> None:
    _check_domain(node.text("domain"))
    operator = node.text("op_type")
    if operator not in onnx.OPERATORS:
        raise refused("onnx_operator", "operators of the allow-list", repr(operator))
    for attribute in node.messages("attribute", onnx.ATTRIBUTE):
        expansion = _scan_attribute(attribute)
        if operator == "Constant":
            expansions |= dict.fromkeys(node.texts("output"), expansion)


def _check_expansion(node: Message, expansions: dict[str, int]) -> None:
    if node.text("op_type") != "Expand":
        return
    if max((expansions.get(name, 0) for name in node.texts("input")[1:]), default=0) > EXPANSION_CAP_N:
        raise refused("onnx_expansion", f"expansions to at most {EXPANSION_CAP_N} elements", "a larger one")


def _scan_attribute(attribute: Message) -> int:
    """Number of elements of a tensor of the shape that the attribute holds."""
    name = attribute.text("name")
    if attribute.has("g") or attribute.has("graphs"):
        raise refused("onnx_subgraph", "a flat graph", f"a graph inside attribute {name!r}")
    if attribute.has("sparse_tensor") or attribute.has("sparse_tensors"):
        raise refused("onnx_sparse", "dense tensors", f"a sparse tensor in attribute {name!r}")
    tensors = attribute.messages("t", onnx.TENSOR) + attribute.messages("tensors", onnx.TENSOR)
    for tensor in tensors:
        check_tensor(tensor)
    listed = shape_size(attribute.numbers("ints") or [attribute.number("i")])
    return max([listed, *map(largest_expansion, tensors)])
