"""Conversion methods on equal terms: one table, and what each is worth on labelled data."""

from __future__ import annotations

from .evaluation import ALL, Evaluation, EvaluationRow, evaluate_models
from .table import DEFAULT_METHODS, METHODS

__all__ = ["ALL", "DEFAULT_METHODS", "METHODS", "Evaluation", "EvaluationRow", "evaluate_models"]
