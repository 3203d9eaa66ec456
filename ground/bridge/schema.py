"""The protobuf messages of Sparkplug B, built from their field numbers: no generated code, and nothing to compile.

Source: Eclipse Sparkplug specification 3.0, section 6.4 and the schema that it refers to. What a bridge does not need
(metadata, properties, data sets, templates) is left out; protobuf skips such fields when it reads.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "enginear.sparkplug"
_T = FieldDescriptorProto
_PAYLOAD: Final = (("timestamp", 1, _T.TYPE_UINT64), ("seq", 3, _T.TYPE_UINT64))
_METRIC: Final = (
    ("name", 1, _T.TYPE_STRING),
    ("alias", 2, _T.TYPE_UINT64),
    ("timestamp", 3, _T.TYPE_UINT64),
    ("datatype", 4, _T.TYPE_UINT32),
    ("is_historical", 5, _T.TYPE_BOOL),
    ("is_null", 7, _T.TYPE_BOOL),
    ("int_value", 10, _T.TYPE_UINT32),
    ("long_value", 11, _T.TYPE_UINT64),
    ("float_value", 12, _T.TYPE_FLOAT),
    ("double_value", 13, _T.TYPE_DOUBLE),
    ("boolean_value", 14, _T.TYPE_BOOL),
    ("string_value", 15, _T.TYPE_STRING),
    ("bytes_value", 16, _T.TYPE_BYTES),
)
VALUES: Final = tuple(name for name, _, _ in _METRIC if name.endswith("_value"))
"""Fields of which a metric has at most one."""


@cache
def payload_class() -> Any:
    """The class of payloads."""
    file = FileDescriptorProto(name="enginear/sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for name, number, kind in _METRIC:
        field = metric.field.add(name=name, number=number, type=kind, label=_T.LABEL_OPTIONAL)
        if name in VALUES:
            field.oneof_index = 0
    for name, number, kind in _PAYLOAD:
        payload.field.add(name=name, number=number, type=kind, label=_T.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics", number=2, type=_T.TYPE_MESSAGE, label=_T.LABEL_REPEATED, type_name=f".{_PACKAGE}.Payload.Metric"
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
