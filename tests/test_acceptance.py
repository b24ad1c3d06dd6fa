"""The first honest path holds on real images of all nine modalities."""

import numpy as np
import pytest

from tests.acceptance import run


@pytest.mark.slow
def test_45_validation_images(data_root):
    outcomes = list(run(data_root / "data"))
    assert len(outcomes) == 45
    assert all(o.exit_code == 0 for o in outcomes)
    assert all(o.values_agree for o in outcomes)
    found = np.mean([o.dice for o in outcomes])
    assert found >= 0.75
    assert found >= 0.15 + np.mean([o.dice_of_mean for o in outcomes])
