"""The head of a model card that programs read: model card metadata of the Hugging Face Hub, as YAML.

The library only formats: nothing is sent, and no network is needed.
"""

from __future__ import annotations

import math

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from edge_agent.manifest import Manifest
from ground.evidence import Evidence
from ground.report.headline import gate_name

_TASK = "anomaly-detection"
_TAGS = (_TASK, "vibration", "onnx")


def with_header(body: str, manifest: Manifest, evidence: Evidence) -> str:
    """The whole card.

    Args:
        body: Its Markdown.
        manifest: Names the model.
        evidence: Holds the results.
    """
    data = ModelCardData(
        language="en",
        library_name="enginear",
        tags=[*_TAGS, evidence.family],
        datasets=[dataset.name for dataset in evidence.datasets] or None,
        model_name=manifest.bundle_id,
        eval_results=_results(evidence) or None,
    )
    # Writes of the library would translate line ends by the platform's habit; its text does not.
    return str(ModelCard(f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n{body}"))


def _results(evidence: Evidence) -> list[EvalResult]:
    tested = ", ".join(dataset.name for dataset in evidence.datasets) or "recordings"
    return [
        EvalResult(
            task_type=_TASK,
            dataset_type="recordings",
            dataset_name=f"{tested}: test flights",
            dataset_split="test",
            metric_type=gate.name,
            metric_name=gate_name(gate),
            metric_value=gate.point,
        )
        for gate in evidence.gates
        if math.isfinite(gate.point)
    ]
