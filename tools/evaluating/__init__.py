"""Scoring parsers, and masks that other tools made, on labelled images."""

from tools.evaluating.answers import Answer, Answers, MaskFolder, ParserAnswers
from tools.evaluating.boxes import BoxedAnswers, OutlinesBoxes, boxes_of
from tools.evaluating.kinds import modality_report
from tools.evaluating.means import COUNTED_MODALITIES, LEAST_OF_SOURCE, dice_report, difference
from tools.evaluating.overlap import Overlap, overlaps, surface_dice, tolerance_px
from tools.evaluating.phrases import PER_PHRASE, Phrase, phrases_report, read_phrases
from tools.evaluating.presence import NONSENSE_PHRASES, presence_report
from tools.evaluating.ranges import (
    NO_TRUE_SIZE,
    coverage_report,
    cross_fitted_report,
    fit_range_calibration,
    range_tables,
    shipped_report,
)
from tools.evaluating.reliability import write_reliability
from tools.evaluating.sheet import Example, examples, write_sheet

__all__ = [
    "COUNTED_MODALITIES",
    "LEAST_OF_SOURCE",
    "NONSENSE_PHRASES",
    "NO_TRUE_SIZE",
    "PER_PHRASE",
    "Answer",
    "Answers",
    "BoxedAnswers",
    "Example",
    "MaskFolder",
    "OutlinesBoxes",
    "Overlap",
    "ParserAnswers",
    "Phrase",
    "boxes_of",
    "coverage_report",
    "cross_fitted_report",
    "dice_report",
    "difference",
    "examples",
    "fit_range_calibration",
    "modality_report",
    "overlaps",
    "phrases_report",
    "presence_report",
    "range_tables",
    "read_phrases",
    "shipped_report",
    "surface_dice",
    "tolerance_px",
    "write_reliability",
    "write_sheet",
]
