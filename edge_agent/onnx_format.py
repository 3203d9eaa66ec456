"""The part of the ONNX format that this agent runs: message fields, operators, versions.

Source: onnx.proto of ONNX 1.23. Fields that are not listed are refused, so a new way of reaching outside the file has
to be read and added here before a model can use it. Fields listed only to be refused by name carry a comment.
"""

from __future__ import annotations

from edge_agent.protobuf import BYTES, FIXED32, VARINT, Field

_NUMBERS = (VARINT, BYTES)


def _one(name: str, wire: int = BYTES) -> Field:
    return Field(name, (wire,))


def _many(name: str, wires: tuple[int, ...] = (BYTES,)) -> Field:
    return Field(name, wires, repeated=True)


MODEL = {
    1: _one("ir_version", VARINT),
    2: _one("producer_name"),
    3: _one("producer_version"),
    4: _one("domain"),
    5: _one("model_version", VARINT),
    6: _one("doc_string"),
    7: _one("graph"),
    8: _many("opset_import"),
    14: _many("metadata_props"),
    20: _many("training_info"),  # refused
    25: _many("functions"),  # refused
}
OPERATOR_SET = {1: _one("domain"), 2: _one("version", VARINT)}
GRAPH = {
    1: _many("node"),
    2: _one("name"),
    5: _many("initializer"),
    10: _one("doc_string"),
    11: _many("input"),
    12: _many("output"),
    13: _many("value_info"),
    15: _many("sparse_initializer"),  # refused
    16: _many("metadata_props"),
}
NODE = {
    1: _many("input"),
    2: _many("output"),
    3: _one("name"),
    4: _one("op_type"),
    5: _many("attribute"),
    6: _one("doc_string"),
    7: _one("domain"),
    9: _many("metadata_props"),
}
ATTRIBUTE = {
    1: _one("name"),
    2: _one("f", FIXED32),
    3: _one("i", VARINT),
    4: _one("s"),
    5: _one("t"),
    6: _one("g"),  # refused
    7: _many("floats", (FIXED32, BYTES)),
    8: _many("ints", _NUMBERS),
    9: _many("strings"),
    10: _many("tensors"),
    11: _many("graphs"),  # refused
    13: _one("doc_string"),
    20: _one("type", VARINT),
    22: _one("sparse_tensor"),  # refused
    23: _many("sparse_tensors"),  # refused
}
TENSOR = {
    1: _many("dims", _NUMBERS),
    2: _one("data_type", VARINT),
    4: _one("float_data"),
    5: _one("int32_data"),
    7: _one("int64_data"),
    8: _one("name"),
    9: _one("raw_data"),
    10: _one("double_data"),
    12: _one("doc_string"),
    13: _many("external_data"),  # refused
    14: _one("data_location", VARINT),  # refused, unless it says "here"
    16: _many("metadata_props"),
}
VALUE_INFO = {1: _one("name"), 2: _one("type"), 3: _one("doc_string"), 4: _many("metadata_props")}
TYPE = {1: _one("tensor_type"), 6: _one("denotation")}
TENSOR_TYPE = {1: _one("elem_type", VARINT), 2: _one("shape")}
SHAPE = {1: _many("dim")}
DIMENSION = {1: _one("dim_value", VARINT), 2: _one("dim_param"), 3: _one("denotation")}

FLOAT, INT32, INT64, BOOL, DOUBLE = 1, 6, 7, 9, 11
ITEM_SIZES = {FLOAT: 4, INT32: 4, INT64: 8, BOOL: 1, DOUBLE: 8}
"""Bytes of one element by tensor data type; other types are not run."""
DOMAINS = ("", "ai.onnx")
IR_VERSIONS = range(8, 12)
OPSETS = range(17, 24)

_ARITHMETIC = "Abs Add Clip Div Erf Exp Log Max Min Mul Neg Pow Reciprocal Sign Sqrt Sub"
_LINEAR_MAPS = "BatchNormalization Einsum Gemm LayerNormalization MatMul"
_ACTIVATIONS = "Elu Gelu HardSwish LeakyRelu LogSoftmax PRelu Relu Selu Sigmoid Softmax Softplus Softsign Tanh"
_REDUCTIONS = "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare"
_SEARCH = "ArgMax ArgMin TopK"
_COMPARISON = "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Where"
_SELECTION = "Concat Gather GatherElements GatherND Slice Split"
_SHAPE = "Cast Constant Expand Flatten Identity Reshape Shape Squeeze Transpose Unsqueeze"

OPERATORS = frozenset(
    f"{_ARITHMETIC} {_LINEAR_MAPS} {_ACTIVATIONS} {_REDUCTIONS} {_SEARCH} {_COMPARISON} {_SELECTION} {_SHAPE}".split()
)
"""Operators that compute from their inputs alone, in bounded time.

Left out on purpose: control flow (If, Loop, Scan), random numbers, and what makes large tensors out of small ones
(ConstantOfShape, Range, Tile, Pad, Resize, OneHot, EyeLike). Expand is needed for broadcasting; see ``onnx_scan``.
"""
