"""Measures many files: what to measure is found, measured one by one, and written as a table."""

from tools.cohort.measuring import MeasuredObject, MeasuredScan, measure_scan
from tools.cohort.rows import COLUMNS, failure_row, rows_of
from tools.cohort.sources import Place, Source, find_places, sources_in
from tools.cohort.table import Settings, Table
from tools.cohort.tiles import failure_tile, tile_of

__all__ = [
    "COLUMNS",
    "MeasuredObject",
    "MeasuredScan",
    "Place",
    "Settings",
    "Source",
    "Table",
    "failure_row",
    "failure_tile",
    "find_places",
    "measure_scan",
    "rows_of",
    "sources_in",
    "tile_of",
]
