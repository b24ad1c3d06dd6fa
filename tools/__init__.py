"""What the agent can do: read scans, outline, measure, compare and show, with units that hold."""

from tools.case import Case, FoundObject, Measurement
from tools.measuring import measure_mask as measure
from tools.reading import open_scan
from tools.scan import Scan

__all__ = ["Case", "FoundObject", "Measurement", "Scan", "measure", "open_scan"]
