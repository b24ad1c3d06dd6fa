"""Scoring parsers, and masks that other tools made, on labelled images."""

from tools.evaluating.answers import Answer, Answers, MaskFolder, ParserAnswers
from tools.evaluating.kinds import modality_report
from tools.evaluating.overlap import Overlap, dice_report, overlaps, surface_dice
from tools.evaluating.presence import presence_report
from tools.evaluating.ranges import (
    coverage_report,
    cross_fitted_report,
    fit_range_calibration,
    range_tables,
    shipped_report,
)

__all__ = [
    "Answer",
    "Answers",
    "MaskFolder",
    "Overlap",
    "ParserAnswers",
    "coverage_report",
    "cross_fitted_report",
    "dice_report",
    "fit_range_calibration",
    "modality_report",
    "overlaps",
    "presence_report",
    "range_tables",
    "shipped_report",
    "surface_dice",
]
