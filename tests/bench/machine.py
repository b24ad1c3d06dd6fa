"""What the machine can do at all, measured in the same run: the yardstick of the yardstick."""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path

import torch

_SIDES = (4096, 1024, 1024)  # rows, inner, columns: as the backbone's linear layers have them
_REPEATS = 30


def matrix_rate(dtype: torch.dtype = torch.float32, device: str = "cpu") -> float:
    """Multiply-adds a second of a matrix product in a type on a device; the median of several."""
    rows, inner, columns = _SIDES
    a = torch.randn(rows, inner).to(device, dtype)
    b = torch.randn(inner, columns).to(device, dtype)
    times = []
    for run in range(_REPEATS + 3):
        started = time.perf_counter()
        product = a @ b
        if device != "cpu":
            product[0, 0].item()  # waits for the accelerator
        if run >= 3:
            times.append(time.perf_counter() - started)
    return rows * inner * columns / statistics.median(times)


def described() -> str:
    """Processor, threads and PyTorch in one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return f"{cpu}, {torch.get_num_threads()} threads, torch {torch.__version__}"
