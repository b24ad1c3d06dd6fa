"""Masks as NIfTI, on the grid of the file that the scan came from."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Final

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from numpy.typing import NDArray

from tools.scan import Scan

_LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_SCANNER: Final = 1  # form code: coordinates of the scanner


def write_mask_nifti(path: str | os.PathLike[str], mask: NDArray[np.bool_], scan: Scan) -> None:
    """Write a mask as a packed NIfTI-1 file (.nii.gz) of zeros and ones.

    Laid over the file of the scan, each voxel of the mask lies on the one it was drawn on. The
    header says where the grid lies and nothing else; the same mask gives the same bytes.

    Parameters
    ----------
    path : str or path-like
    mask : (H, W) or (H, W, S) ndarray of bool
        As the scan is shown.
    scan : Scan
        With a `frame`, the mask is written on the file's own axes (i, j, k) with the file's own
        affine; without one (DICOM, pictures) on (columns, rows, slices) with the affine of the
        geometry. A scan without a known place gives form codes of 0, with its spacing in
        millimetres where it has one along all axes, and without any unit where it has not.

    Raises
    ------
    ValueError
        If the mask has another shape than the scan.
    """
    if mask.shape != scan.shape or mask.dtype != np.bool_:
        raise ValueError("a mask is bool and has the shape of its scan")
    grid, affine, spacing = _on_file(mask, scan)
    header = Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(grid.shape)
    if affine is not None:
        header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
        header.set_sform(_LPS_TO_RAS @ affine, _SCANNER)
    elif spacing is not None:
        header.set_zooms(spacing)
    header.set_xyzt_units("unknown" if affine is None and spacing is None else "mm")
    # Given no affine, nibabel keeps the forms of the header.
    image = Nifti1Image(np.ascontiguousarray(grid, dtype=np.uint8), None, header)
    # No name and no time in the packed file.
    Path(path).write_bytes(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))


def _on_file(
    mask: NDArray[np.bool_], scan: Scan
) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None, tuple[float, ...] | None]:
    """The mask on the axes of the file, their affine (LPS), and without one their spacing."""
    geometry, frame = scan.geometry, scan.frame
    spacing = geometry.spacing_mm
    if spacing is not None and len(spacing) < 3:
        # Nothing is measured along the third axis of a picture, but NIfTI wants a step there.
        spacing = (*spacing, 1.0) if len(scan.shape) == 2 else None
    if frame is None:
        columns_first = np.swapaxes(mask.reshape((*mask.shape, 1)[:3]), 0, 1)
        placed = geometry.affine if spacing is not None else None
        return columns_first, placed, spacing and (spacing[1], spacing[0], spacing[2])
    own = spacing and tuple(float(spacing[frame.axes.index(axis)]) for axis in range(3))
    return frame.to_file(mask), frame.affine, own
