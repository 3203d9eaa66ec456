"""The registry: which bundle of a detector is tried, which flies, and who decided so on what evidence.

    registry = open_registry("registry")                      # a folder, or the URL of an MLflow server
    version = registry.register(Path("models/d/1.1.0"), keys=[Path("keys/public.pem")], by="ground retrain")
    registry.promote("d/1.1.0", Promotion(to=State.VALIDATION, approver="ground retrain", reason="drift of 2026-11-28"))
    registry.promote("d/1.1.0", Promotion(to=State.SHADOW, approver="ground retrain", reason="...", replace=True))
    registry.promote("d/1.1.0", Promotion(to=State.ACTIVE, approver="A. Person", reason="...", report=report_bytes))
    registry.retire("d/1.0.0", approver="A. Person", reason="...")
    registry.versions("d"), registry.version("d/1.1.0"), registry.history("d"), registry.detectors()
    registry.bundle("d/1.1.0")                                # the signed file's bytes, their digest checked
    registry.compare("d/1.0.0", "d/1.1.0").document()

``open_registry`` and ``Registry`` are in ``registry.py``, ``State`` in ``states.py``, ``Promotion`` in ``plan.py``. All
raise ``RegistryError``, or ``PromotionError`` where a promotion is not allowed or lacks its evidence.

What is true is a chain of decisions, one entry each, in the order in which MLflow numbered them; an entry that follows
another one than the last is void. So one write makes a decision, whoever else writes, and a kill leaves it made or not.
Aliases, tags and model versions that people see in MLflow follow from the chain, and are put right by the next command.
"""
