"""Conversion methods on equal terms: one table, and what each is worth on labelled data."""

from __future__ import annotations

from .applicability import applicable_methods
from .evaluation import Evaluation, EvaluationRow, evaluate_model
from .table import DEFAULT_METHODS, METHODS

__all__ = ["DEFAULT_METHODS", "METHODS", "Evaluation", "EvaluationRow", "applicable_methods", "evaluate_model"]
