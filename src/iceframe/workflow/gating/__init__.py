"""The gate of a run: fitted from its finished units, stored with it, applied to new samples."""

from iceframe.workflow.gating.run_gate import RunGate

__all__ = ["RunGate"]
