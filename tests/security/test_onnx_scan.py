"""The ONNX scan: models that reach outside their file, run foreign code or lie about their interface are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import (
    AttributeProto,
    FunctionProto,
    ModelProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    TrainingInfoProto,
    helper,
    numpy_helper,
)

from edge_agent.errors import ModelRejected
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE, IoSchema
from edge_agent.onnx_scan import EXPANSION_CAP_N, NODES_CAP, scan_onnx

N_FEATURE = 3
SCHEMA = IoSchema.of(N_FEATURE)
SEED = 20261123

Change = Callable[[ModelProto], None]


def honest() -> ModelProto:
    """A small model of the promised interface: a scaled copy of its input, and the mean square of it."""
    nodes = [
        helper.make_node("Mul", [INPUT, "scale"], [RECONSTRUCTION]),
        helper.make_node("Mul", [RECONSTRUCTION, RECONSTRUCTION], ["squared"]),
        helper.make_node("ReduceMean", ["squared", "axes"], [SCORE], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "honest",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", N_FEATURE])],
        [
            helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", N_FEATURE]),
            helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
        ],
        [
            numpy_helper.from_array(np.ones(N_FEATURE, dtype=np.float32), "scale"),
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def scale_of(model: ModelProto) -> TensorProto:
    """The initializer ``scale``."""
    tensor: TensorProto = model.graph.initializer[0]
    return tensor


def external(location: str) -> Change:
    """Moves ``scale`` to another file."""

    def change(model: ModelProto) -> None:
        tensor = scale_of(model)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.append(StringStringEntryProto(key="location", value=location))

    return change


def sparse_initializer(model: ModelProto) -> None:
    """Adds a sparse initializer whose values lie in another file."""
    values = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="hidden", data_location=TensorProto.EXTERNAL)
    values.external_data.append(StringStringEntryProto(key="location", value="secret.bin"))
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(SparseTensorProto(values=values, indices=indices, dims=[4]))


def sparse_attribute(model: ModelProto) -> None:
    """Adds a Constant whose value is sparse."""
    values = helper.make_tensor("values", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    sparse = SparseTensorProto(values=values, indices=indices, dims=[4])
    model.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=sparse))


def node(operator: str, inputs: list[str], **attributes: Any) -> Change:
    """Adds a node."""
    return lambda model: model.graph.node.append(helper.make_node(operator, inputs, ["added"], **attributes))


def constant(tensor: TensorProto) -> Change:
    """Adds a Constant of a tensor."""
    return node("Constant", [], value=tensor)


def outside_tensor() -> TensorProto:
    """A tensor that lies in another file."""
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="x", data_location=TensorProto.EXTERNAL)
    tensor.external_data.append(StringStringEntryProto(key="location", value="/etc/passwd"))
    return tensor


def subgraph(operator: str, inputs: list[str]) -> Change:
    """Adds a node with a graph inside, which in turn holds an external tensor."""
    body = helper.make_graph([helper.make_node("Constant", [], ["c"], value=outside_tensor())], "body", [], [])
    return node(operator, inputs, body=body)


def hidden_graph(model: ModelProto) -> None:
    """Gives an allowed operator an attribute with a graph, which it does not have."""
    attribute = AttributeProto(name="body", type=AttributeProto.GRAPH)
    attribute.g.CopyFrom(helper.make_graph([], "body", [], []))
    model.graph.node[0].attribute.append(attribute)


def hidden_graphs(model: ModelProto) -> None:
    """The same with a list of graphs."""
    attribute = AttributeProto(name="bodies", type=AttributeProto.GRAPHS)
    attribute.graphs.append(helper.make_graph([], "body", [], []))
    model.graph.node[0].attribute.append(attribute)


def function(model: ModelProto) -> None:
    """Adds a function of the model's own."""
    model.functions.append(FunctionProto(name="Mul", domain="own"))


def foreign_node(model: ModelProto) -> None:
    """Moves a node to a domain of others."""
    model.graph.node[0].domain = "com.example.run_shell"


def foreign_import(model: ModelProto) -> None:
    """Imports a domain of others without using it."""
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def field(value: str, of: Callable[[ModelProto], Any], to: Any) -> Change:
    """Sets a field of a part of the model."""
    return lambda model: setattr(of(model), value, to)


def graph_of(model: ModelProto) -> Any:
    """The graph."""
    return model.graph


def expand(*shape: int) -> Change:
    """Expands a tensor to a constant shape."""

    def change(model: ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(shape, dtype=np.int64), "large"))
        node("Expand", ["scale", "large"])(model)

    return change


def expand_by_constant(model: ModelProto) -> None:
    """The same, with the shape in an attribute."""
    model.graph.node.append(helper.make_node("Constant", [], ["large"], value_ints=[4096, 4096, 4096]))
    node("Expand", ["scale", "large"])(model)


def set_dim(model: ModelProto, value: int) -> None:
    """Changes the width of the reconstruction."""
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = value


REFUSED: dict[str, tuple[Change, str]] = {
    "external data beside": (external("weights.bin"), "onnx_external_data"),
    "external data above": (external("../../../../etc/shadow"), "onnx_external_data"),
    "external data by absolute name": (external("/etc/passwd"), "onnx_external_data"),
    "external location without a mark": (
        lambda m: scale_of(m).external_data.append(StringStringEntryProto(key="location", value="x")),
        "onnx_external_data",
    ),
    "external mark without a location": (field("data_location", scale_of, TensorProto.EXTERNAL), "onnx_external_data"),
    "external constant": (constant(outside_tensor()), "onnx_external_data"),
    "external tensor in a list": (
        lambda m: m.graph.node[0].attribute.append(
            AttributeProto(name="list", type=AttributeProto.TENSORS, tensors=[outside_tensor()])
        ),
        "onnx_external_data",
    ),
    "sparse external initializer": (sparse_initializer, "onnx_sparse"),
    "sparse constant": (sparse_attribute, "onnx_sparse"),
    "loop": (subgraph("Loop", ["", ""]), "onnx_operator"),
    "if": (subgraph("If", [INPUT]), "onnx_operator"),
    "scan": (subgraph("Scan", [INPUT]), "onnx_operator"),
    "graph in an operator that has none": (hidden_graph, "onnx_subgraph"),
    "graphs in an operator that has none": (hidden_graphs, "onnx_subgraph"),
    "function": (function, "onnx_function"),
    "training information": (lambda m: m.training_info.append(TrainingInfoProto()), "onnx_training"),
    "operator of others": (foreign_node, "onnx_custom_domain"),
    "domain of others imported": (foreign_import, "onnx_custom_domain"),
    "machine learning domain": (
        lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3)),
        "onnx_custom_domain",
    ),
    "random numbers": (node("RandomNormal", [], shape=[2]), "onnx_operator"),
    "tensor out of nothing": (node("ConstantOfShape", ["axes"]), "onnx_operator"),
    "tensor out of a range": (node("Range", ["a", "b", "c"]), "onnx_operator"),
    "strings": (node("StringNormalizer", ["x"]), "onnx_operator"),
    "operator without a name": (node("", []), "onnx_operator"),
    "expansion to 2.4 GB": (expand(600_000_000), "onnx_expansion"),
    "expansion by factors": (expand(4096, 4096, 4096), "onnx_expansion"),
    "expansion by negative factors": (expand(-4096, 4096), "onnx_expansion"),
    "expansion by a constant": (expand_by_constant, "onnx_expansion"),
    "dims without data": (lambda m: scale_of(m).ClearField("raw_data"), "onnx_tensor_size"),
    "dims of 2.4 GB": (lambda m: scale_of(m).dims.append(200_000_000), "onnx_tensor_size"),
    "negative dims": (lambda m: scale_of(m).dims.extend([-1, -1]), "onnx_tensor_size"),
    "data cut": (field("raw_data", scale_of, bytes(11)), "onnx_tensor_size"),
    "data in two places": (lambda m: scale_of(m).float_data.extend([1.0, 2.0, 3.0]), "onnx_tensor_size"),
    "strings as data": (field("data_type", scale_of, TensorProto.STRING), "onnx_tensor_type"),
    "no data type": (field("data_type", scale_of, 0), "onnx_tensor_type"),
    "segments": (lambda m: setattr(scale_of(m).segment, "begin", 0), "onnx_unknown_field"),
    "old IR": (field("ir_version", lambda m: m, 3), "onnx_ir_version"),
    "future IR": (field("ir_version", lambda m: m, 99), "onnx_ir_version"),
    "old operator set": (field("version", lambda m: m.opset_import[0], 8), "onnx_opset"),
    "future operator set": (field("version", lambda m: m.opset_import[0], 99), "onnx_opset"),
    "no operator set": (lambda m: m.ClearField("opset_import"), "onnx_opset"),
    "two operator sets": (lambda m: m.opset_import.append(helper.make_opsetid("", 20)), "onnx_opset"),
    "too many nodes": (
        lambda m: m.graph.node.extend([helper.make_node("Identity", ["a"], ["b"])] * NODES_CAP),
        "onnx_node_count",
    ),
    "no graph": (lambda m: m.ClearField("graph"), "onnx_malformed"),
    "no input": (lambda m: m.graph.ClearField("input"), "onnx_interface"),
    "two inputs": (lambda m: m.graph.input.append(m.graph.input[0]), "onnx_interface"),
    "initializer that is an input": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, [N_FEATURE])),
        "onnx_interface",
    ),
    "input of another name": (field("name", lambda m: m.graph.input[0], "x"), "onnx_interface"),
    "one output": (lambda m: m.graph.output.pop(), "onnx_interface"),
    "outputs in another order": (lambda m: m.graph.output.reverse(), "onnx_interface"),
    "other width": (lambda m: set_dim(m, 4), "onnx_interface"),
    "negative width": (lambda m: set_dim(m, -1), "onnx_malformed"),
    "open width": (
        lambda m: setattr(m.graph.output[0].type.tensor_type.shape.dim[1], "dim_param", "n"),
        "onnx_interface",
    ),
    "fixed batch": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1),
        "onnx_interface",
    ),
    "no shape": (lambda m: m.graph.output[1].type.tensor_type.ClearField("shape"), "onnx_interface"),
    "no type": (lambda m: m.graph.input[0].ClearField("type"), "onnx_interface"),
    "double input": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
        "onnx_interface",
    ),
    "sequence input": (
        lambda m: setattr(m.graph.input[0].type.sequence_type.elem_type.tensor_type, "elem_type", 1),
        "onnx_unknown_field",
    ),
    "device placement": (lambda m: m.graph.node[0].device_configurations.add(), "onnx_unknown_field"),
    "overload": (field("overload", lambda m: m.graph.node[0], "x"), "onnx_unknown_field"),
    "reference to a function's attribute": (
        lambda m: m.graph.node[2].attribute.append(AttributeProto(name="x", ref_attr_name="y")),
        "onnx_unknown_field",
    ),
    "quantization notes": (lambda m: m.graph.quantization_annotation.add(), "onnx_unknown_field"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_models(name: str) -> None:
    """Each changed model is refused by the rule that its row names."""
    change, reason = REFUSED[name]
    model = honest()
    change(model)
    with pytest.raises(ModelRejected) as refusal:
        scan_onnx(model.SerializeToString(), SCHEMA)
    assert refusal.value.reason == reason
    assert str(refusal.value).startswith("model.onnx: expected ")


def varint(value: int) -> bytes:
    """A protobuf varint."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def nested(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def around(graph: bytes, *, before: bytes = b"") -> bytes:
    """The honest model with another graph, ``before`` in front."""
    model = honest()
    model.ClearField("graph")
    return before + bytes(model.SerializeToString()) + nested(7, graph)


def graph_bytes() -> bytes:
    """The honest graph."""
    return bytes(honest().graph.SerializeToString())


def with_tensor(extra: bytes) -> bytes:
    """The honest model with one more initializer, of which ``extra`` are further bytes."""
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="more", raw_data=bytes(4))
    return around(graph_bytes() + nested(5, bytes(tensor.SerializeToString()) + extra))


WIRE: dict[str, tuple[Callable[[], bytes], str]] = {
    "two graphs, which protobuf merges": (lambda: around(graph_bytes()) + nested(7, b""), "onnx_duplicate_field"),
    "a graph of another wire type": (lambda: around(graph_bytes()) + b"\x38\x01", "onnx_unknown_field"),
    "an unknown field": (lambda: around(graph_bytes()) + nested(999, b"x"), "onnx_unknown_field"),
    "a group": (lambda: around(graph_bytes()) + b"\x0b\x0c", "onnx_unknown_field"),
    "field number zero": (lambda: around(graph_bytes()) + b"\x02\x00", "onnx_unknown_field"),
    "a field number beyond 32 bits": (
        lambda: around(graph_bytes()) + varint((1 << 35) | 7 << 3 | 2) + b"\x00",
        "onnx_unknown_field",
    ),
    "external, counted past 32 bits": (lambda: with_tensor(b"\x70" + varint(2**32 + 1)), "onnx_external_data"),
    "external, and then not": (lambda: with_tensor(b"\x70\x01\x70\x00"), "onnx_duplicate_field"),
    "an external location with no key": (lambda: with_tensor(nested(13, b"")), "onnx_external_data"),
    "a data type counted past 32 bits": (
        lambda: around(graph_bytes() + nested(5, b"\x10" + varint(2**32 + 1))),
        "onnx_tensor_type",
    ),
    "integers stored as floats": (
        lambda: around(graph_bytes() + nested(5, b"\x08\x01\x10\x07" + nested(4, bytes(4)))),
        "onnx_tensor_size",
    ),
    "a length beyond the end": (lambda: around(graph_bytes()) + b"\x12\x7f", "onnx_malformed"),
    "a length beyond all memory": (lambda: around(graph_bytes()) + b"\x12" + varint(2**63), "onnx_malformed"),
    "an integer that does not end": (lambda: around(graph_bytes()) + b"\x80" * 11, "onnx_malformed"),
    "an integer of 70 bits": (lambda: around(graph_bytes(), before=b"\x28" + b"\xff" * 9 + b"\x7f"), "onnx_malformed"),
    "cut at the end": (lambda: around(graph_bytes())[:-1], "onnx_malformed"),
    "a cut tag": (lambda: around(graph_bytes()) + b"\x80", "onnx_malformed"),
    "text that is no text": (lambda: around(graph_bytes() + nested(1, nested(4, b"\xff"))), "onnx_malformed"),
    "a million empty fields": (lambda: around(graph_bytes() + nested(1, b"") * 70_000), "onnx_malformed"),
    "no bytes": (lambda: b"", "onnx_ir_version"),
    "text": (lambda: b"this is not a model at all", "onnx_unknown_field"),
    "a pickle": (lambda: b"\x80\x04\x95\x00\x00", "onnx_unknown_field"),
}


@pytest.mark.parametrize("name", WIRE)
def test_refuses_bytes_that_two_parsers_could_read_differently(name: str) -> None:
    """Each trick with the encoding is refused by the rule that its row names."""
    make, reason = WIRE[name]
    with pytest.raises(ModelRejected) as refusal:
        scan_onnx(make(), SCHEMA)
    assert refusal.value.reason == reason


def test_refuses_a_model_that_onnxruntime_reads_in_another_format() -> None:
    """A valid ONNX file with ``ORTM`` at byte 4 is read by onnxruntime as its own format, past every check above."""
    disguised = around(graph_bytes(), before=nested(2, b"AAORTM"))
    model = ModelProto()
    model.ParseFromString(disguised)
    assert model.producer_name == "AAORTM"
    with pytest.raises(Exception, match="ORT model verification failed"):
        ort.InferenceSession(disguised, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelRejected) as refusal:
        scan_onnx(disguised, SCHEMA)
    assert refusal.value.reason == "onnx_ort_format"


def test_refuses_an_endless_loop() -> None:
    """A Loop without a trip count and with a condition that stays true would never give a score."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    model = honest()
    model.graph.initializer.append(helper.make_tensor("true", TensorProto.BOOL, [], [1]))
    node("Loop", ["", "true"], body=body)(model)
    with pytest.raises(ModelRejected) as refusal:
        scan_onnx(model.SerializeToString(), SCHEMA)
    assert refusal.value.reason == "onnx_operator"


def test_accepts_the_honest_model() -> None:
    """What all the rows above start from passes, and onnxruntime runs it."""
    model = honest().SerializeToString()
    scan_onnx(model, SCHEMA)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    reconstruction, score = session.run(None, {INPUT: np.array([[1.0, 2.0, 2.0]], dtype=np.float32)})
    assert reconstruction.tolist() == [[1.0, 2.0, 2.0]]
    assert score.tolist() == [3.0]


@pytest.mark.parametrize(
    "tensor",
    [
        helper.make_tensor("x", TensorProto.FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor("x", TensorProto.DOUBLE, [2], [1.0, 2.0]),
        helper.make_tensor("x", TensorProto.INT64, [2, 1], [-1, 300]),
        helper.make_tensor("x", TensorProto.INT32, [3], [-1, 300, 0]),
        helper.make_tensor("x", TensorProto.BOOL, [1], [1]),
        helper.make_tensor("x", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("x", TensorProto.FLOAT, [0], []),
        numpy_helper.from_array(np.arange(4, dtype=np.int64), "x"),
    ],
)
def test_accepts_every_way_to_store_a_tensor(tensor: TensorProto) -> None:
    """Raw or typed, scalar or empty: a tensor whose data fill its shape passes."""
    model = honest()
    model.graph.initializer.append(tensor)
    scan_onnx(model.SerializeToString(), SCHEMA)


def test_accepts_expansions_up_to_the_cap() -> None:
    """The cap itself is allowed."""
    model = honest()
    expand(EXPANSION_CAP_N)(model)
    scan_onnx(model.SerializeToString(), SCHEMA)


def test_noise_only_raises_rejections() -> None:
    """Noise patched into a model is refused or passes, never another error."""
    good = honest().SerializeToString()
    rng = np.random.default_rng(SEED)
    refused = 0
    for _ in range(2000):
        noisy = bytearray(good)
        start = int(rng.integers(len(noisy)))
        patch = rng.bytes(int(rng.integers(1, 12)))
        noisy[start : start + len(patch)] = patch
        try:
            scan_onnx(bytes(noisy), SCHEMA)
        except ModelRejected:
            refused += 1
    assert refused > 0


class Autoencoder(torch.nn.Module):
    """A network with normalisation inside."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURE))
        self.net = torch.nn.Sequential(torch.nn.Linear(N_FEATURE, 2), torch.nn.GELU(), torch.nn.Linear(2, N_FEATURE))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruction and mean squared residual."""
        z = x - self.mean
        again: torch.Tensor = self.net(z)
        return again + self.mean, ((again - z) ** 2).mean(dim=1)


class Mahalanobis(torch.nn.Module):
    """A quadratic form, its mean spread over the batch."""

    mean: torch.Tensor
    whitener: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURE))
        self.register_buffer("whitener", torch.eye(N_FEATURE))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean, and the distance to it."""
        y = (x - self.mean) @ self.whitener
        return self.mean.expand_as(x), torch.sqrt((y * y).sum(dim=1))


class Mixture(torch.nn.Module):
    """A Gaussian mixture: log-sum-exp over the parts, nearest mean as reconstruction."""

    means: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.randn(4, N_FEATURE, generator=torch.Generator().manual_seed(SEED)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest mean, and the negative log likelihood."""
        likelihood = -0.5 * ((x[:, None] - self.means) ** 2).sum(dim=-1)
        return self.means[likelihood.argmax(dim=1)], -torch.logsumexp(likelihood, dim=1)


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.parametrize("family", [Autoencoder, Mahalanobis, Mixture])
def test_accepts_what_torch_exports(family: type[torch.nn.Module]) -> None:
    """Real exports of three families pass unchanged."""
    program = torch.onnx.export(
        family().eval(),
        (torch.zeros(2, N_FEATURE),),
        dynamo=True,
        external_data=False,
        verbose=False,
        optimize=True,
        input_names=[INPUT],
        output_names=[RECONSTRUCTION, SCORE],
        dynamic_shapes={"x": {0: torch.export.Dim("batch")}},
    )
    assert program is not None
    scan_onnx(program.model_proto.SerializeToString(), SCHEMA)
