"""Attacks 31 to 38: models, signed by the pinned key, that reach outside, run wild or do not say what they should."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from onnx import (
    AttributeProto,
    ModelProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    helper,
    numpy_helper,
)

from edge_agent.io_schema import INPUT, SCORE, IoSchema
from edge_agent.layout import GOLDEN_FEATURES, GOLDEN_SCORES, IO_SCHEMA, MODEL
from tests.security.attack import Attack
from tests.security.forge import Forge, flipped

Change = Callable[[ModelProto], None]
_SIDE: Final = 1024
_BOMB_SIDE: Final = 32_768


def _external(location: str) -> Change:
    """Moves the first initializer to another file."""

    def change(model: ModelProto) -> None:
        _move_out(model.graph.initializer[0], location)

    return change


def _move_out(tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(StringStringEntryProto(key="location", value=location))


def _linked(make: str, forge: Forge) -> Any:
    """The file that the model names lies beside it, as a link to a secret."""
    model = ModelProto()
    model.ParseFromString(forge.members[MODEL])
    _external("secret.bin")(model)
    folder = Forge(
        {**forge.members, MODEL: model.SerializeToString()}, forge.key, forge.other_key, forge.folder
    ).unpacked()
    secret = forge.folder / "secret"
    secret.write_bytes(bytes(4096))
    (folder / "thresholds.yaml").hardlink_to(secret) if make == "hardlink" else (folder / "thresholds.yaml").symlink_to(
        secret
    )
    return folder


def _sparse() -> SparseTensorProto:
    values = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="hidden")
    _move_out(values, "secret.bin")
    return SparseTensorProto(values=values, indices=helper.make_tensor("at", TensorProto.INT64, [1], [0]), dims=[4])


def _sparse_initializer(model: ModelProto) -> None:
    model.graph.sparse_initializer.append(_sparse())


def _sparse_constant(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=_sparse()))


def _foreign_node(model: ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def _foreign_import(model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _bomb_by_shape(model: ModelProto) -> None:
    """The model of 146 bytes: one shape, 2.4 GB."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([600_000_000]), "large"))
    model.graph.node.append(helper.make_node("Expand", [INPUT, "large"], ["huge"]))


def _bomb_by_late_shape(model: ModelProto) -> None:
    """The same, where the shape is said only after it was used: onnxruntime sorts the nodes."""
    model.graph.node.append(helper.make_node("Expand", ["axes", "large"], ["huge"]))
    model.graph.node.append(helper.make_node("Constant", [], ["large"], value_ints=[600_000_000]))


def _score_of(nodes: list[Any], initializers: list[TensorProto], result: str) -> Change:
    """Adds the (1,) tensor ``result`` of further nodes to the score: it has to be computed."""

    def change(model: ModelProto) -> None:
        for node in model.graph.node:
            node.output[:] = ["honest" if name == SCORE else name for name in node.output]
        model.graph.initializer.extend(initializers)
        model.graph.node.extend([*nodes, helper.make_node("Add", ["honest", result], [SCORE])])

    return change


def _column_of_input(side: int) -> tuple[list[Any], list[TensorProto]]:
    """Nodes that make a (side, 1) column out of the input; a constant would be folded away, and so is none."""
    nodes = [
        helper.make_node("ReduceMean", [INPUT, "column_axes"], ["column_mean"], keepdims=1),
        helper.make_node("Mul", ["column_mean", "column_ones"], ["column"]),
    ]
    ones = numpy_helper.from_array(np.full((side, 1), 1e-3, dtype=np.float32), "column_ones")
    return nodes, [ones, helper.make_tensor("column_axes", TensorProto.INT64, [1], [1])]


def _total(name: str) -> list[Any]:
    return [
        helper.make_node("ReduceSum", [name], ["total_box"], keepdims=1),
        helper.make_node("Reshape", ["total_box", "total_shape"], ["total"]),
    ]


_TOTAL_SHAPE = helper.make_tensor("total_shape", TensorProto.INT64, [1], [1])


def _bomb_by_product() -> Change:
    """An outer product of 4 GiB, which no scan of shapes sees: the limited child must end it."""
    nodes, initializers = _column_of_input(_BOMB_SIDE)
    row = helper.make_node("Transpose", ["column"], ["row"])
    product = helper.make_node("MatMul", ["column", "row"], ["huge"])
    return _score_of([*nodes, row, product, *_total("huge")], [*initializers, _TOTAL_SHAPE], "total")


def _endless_chain() -> Change:
    """Products of square matrices, one after another, for hours: allowed operators all, and the child must end it."""
    nodes, initializers = _column_of_input(_SIDE)
    start = [
        helper.make_node("Transpose", ["column"], ["row"]),
        helper.make_node("MatMul", ["column", "row"], ["power_0"]),
    ]
    powers = [helper.make_node("MatMul", [f"power_{n}", f"power_{n}"], [f"power_{n + 1}"]) for n in range(4_000)]
    return _score_of([*nodes, *start, *powers, *_total("power_4000")], [*initializers, _TOTAL_SHAPE], "total")


def _endless_loop(model: ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    model.graph.initializer.append(helper.make_tensor("true", TensorProto.BOOL, [], [1]))
    model.graph.node.append(helper.make_node("Loop", ["", "true"], [], body=body))


def _hidden_graph(model: ModelProto) -> None:
    attribute = AttributeProto(name="body", type=AttributeProto.GRAPH)
    attribute.g.CopyFrom(helper.make_graph([], "body", [], []))
    model.graph.node[0].attribute.append(attribute)


def _other_width(model: ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value += 1


def _liar(forge: Forge) -> bytes:
    """A model whose outputs are named as they should be and have another shape: only running it tells."""
    return forge.with_model(_score_of([], [numpy_helper.from_array(np.ones((3, 5), np.float32), "wide")], "wide"))


def _nan(model: ModelProto) -> None:
    """Every score is NaN."""
    _score_of([], [numpy_helper.from_array(np.full(1, math.nan, dtype=np.float32), "nan")], "nan")(model)


def _model(change: Change) -> Callable[[Forge], bytes]:
    return partial(Forge.with_model, change=change)


def _spoilt(name: str, forge: Forge) -> bytes:
    return forge.seal({name: flipped(forge.members[name], len(forge.members[name]) - 2)})


MODEL_ATTACKS: Final = (
    Attack(31, "external data ../", _model(_external("../../../../etc/shadow")), "onnx_external_data"),
    Attack(31, "external data by absolute name", _model(_external("/etc/passwd")), "onnx_external_data"),
    Attack(31, "external data behind a symlink", partial(_linked, "symlink"), "onnx_external_data"),
    Attack(32, "external data by hardlink", partial(_linked, "hardlink"), "onnx_external_data"),
    Attack(33, "sparse external initializer", _model(_sparse_initializer), "onnx_sparse"),
    Attack(33, "sparse external constant", _model(_sparse_constant), "onnx_sparse"),
    Attack(34, "custom operator domain", _model(_foreign_node), "onnx_custom_domain"),
    Attack(34, "custom operator domain, imported only", _model(_foreign_import), "onnx_custom_domain"),
    Attack(35, "2.4 GB by a shape", _model(_bomb_by_shape), "onnx_expansion"),
    Attack(35, "2.4 GB by a shape that is said later", _model(_bomb_by_late_shape), "onnx_expansion"),
    Attack(35, "4 GiB by a product, run", _model(_bomb_by_product()), "model_interface"),
    Attack(36, "endless Loop", _model(_endless_loop), "onnx_operator"),
    Attack(36, "graph in an attribute", _model(_hidden_graph), "onnx_subgraph"),
    Attack(36, "products for hours, run", _model(_endless_chain()), "model_limits"),
    Attack(37, "I/O schema of other features", lambda f: f.seal({IO_SCHEMA: IoSchema.of(3).to_json()}), "io_schema"),
    Attack(37, "output of another width", _model(_other_width), "onnx_interface"),
    Attack(37, "output of another shape than promised, run", _liar, "model_interface"),
    Attack(38, "golden features not reproduced", partial(_spoilt, GOLDEN_FEATURES), "golden_features"),
    Attack(38, "golden scores not reproduced", partial(_spoilt, GOLDEN_SCORES), "golden_scores"),
    Attack(38, "NaN output", _model(_nan), "model_interface"),
)
