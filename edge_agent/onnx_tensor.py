"""Stored tensors of an ONNX model: held in the file, dense, and as large as they say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge_agent import onnx_format as onnx
from edge_agent.errors import ModelRejected
from edge_agent.protobuf import Message

_TYPED = {onnx.FLOAT: "float_data", onnx.DOUBLE: "double_data", onnx.INT64: "int64_data"}
_TYPED |= {onnx.INT32: "int32_data", onnx.BOOL: "int32_data"}
_FIXED_SIZES = {"float_data": 4, "double_data": 8}
_DATA_FIELDS = ("raw_data", *sorted(set(_TYPED.values())))
_VARINT_CONTINUES = 0x80
RANK_CAP = 64
"""Most dimensions of a tensor; onnxruntime's Expand takes no more than a few."""


def check_tensor(tensor: Message) -> None:
    """Refuse a tensor that lies elsewhere or whose data do not fill its shape exactly.

    Raises:
        ModelRejected: ``onnx_external_data``, ``onnx_tensor_type`` or ``onnx_tensor_size``.
    """
    name = tensor.text("name")
    # Any value but 0: parsers cut the number to 32 bits, so 2^32 + 1 would be "external" to them.
    if tensor.has("external_data") or tensor.number("data_location") != 0:
        raise refused("onnx_external_data", "tensors inside the file", f"tensor {name!r} in another file")
    data_type = tensor.number("data_type")
    if data_type not in onnx.ITEM_SIZES:
        raise refused("onnx_tensor_type", f"tensor data types {sorted(onnx.ITEM_SIZES)}", f"{data_type} in {name!r}")
    dims = tensor.numbers("dims")
    if len(dims) > RANK_CAP:
        raise refused("onnx_tensor_size", f"at most {RANK_CAP} dimensions", f"{len(dims)} in {name!r}")
    if min(dims, default=0) < 0 or _stored_n(tensor, data_type) != math.prod(dims):
        raise refused("onnx_tensor_size", f"data that fill the shape {dims}", f"another amount in {name!r}")


def largest_expansion(tensor: Message) -> int:
    """Number of elements of a tensor of the shape that an int64 ``tensor`` holds; 0 for one that is no shape."""
    if tensor.number("data_type") != onnx.INT64:
        return 0
    values: Sequence[int] = tensor.numbers("int64_data")
    for raw in tensor.blobs("raw_data"):
        values = np.frombuffer(raw, dtype="<i8")[: RANK_CAP + 1].tolist()
    return shape_size(values)


def shape_size(dims: Sequence[int]) -> int:
    """Number of elements of a tensor of shape ``dims``; 0 where there are more of them than a shape can have.

    The product of a million numbers would keep a processor busy for hours.
    """
    return math.prod(map(abs, dims)) if len(dims) <= RANK_CAP else 0


def refused(reason: str, expected: str, got: str) -> ModelRejected:
    """The error for a model that this agent does not run."""
    return ModelRejected(reason, f"model.onnx: expected {expected}, got {got}; export the model again")


def _stored_n(tensor: Message, data_type: int) -> int:
    """Number of stored elements; -1 when they are stored in a way that does not fit the type."""
    fields = [field for field in _DATA_FIELDS if tensor.has(field)]
    if not fields:
        return 0
    if len(fields) > 1 or fields[0] not in ("raw_data", _TYPED[data_type]):
        return -1
    data = tensor.blobs(fields[0])[0]
    if fields[0] in ("int32_data", "int64_data"):
        return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) < _VARINT_CONTINUES))
    items, rest = divmod(len(data), _FIXED_SIZES.get(fields[0], onnx.ITEM_SIZES[data_type]))
    return items if rest == 0 else -1
