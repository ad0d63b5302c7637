"""What nbval does not see, checked in the same run: pictures, and cells that were never run."""
from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from nbval.plugin import IPyNbCell
from PIL import Image

SHADES, SHARE = 16, 0.005     # a pixel differs by more than 16 of 255; 0.5 % of them may


def pictures(outputs):
    for output in outputs:
        png = output.get("data", {}).get("image/png")
        if png:
            yield np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"), int)


def difference(stored, fresh):
    """What is wrong with a fresh picture, or None."""
    if stored.shape != fresh.shape:
        return f"its size was {stored.shape[:2]} and is {fresh.shape[:2]}"
    share = (np.abs(stored - fresh).max(axis=2) > SHADES).mean()
    return f"{share:.2%} of its pixels differ" if share > SHARE else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if isinstance(item, IPyNbCell):
        if item.cell.source.strip() and item.cell.execution_count is None:
            item.raise_cell_error("the stored cell was never run")
        stored, fresh = list(pictures(item.cell.outputs)), list(pictures(item.test_outputs))
        if len(stored) != len(fresh):
            item.raise_cell_error(f"{len(stored)} pictures are stored, {len(fresh)} were drawn")
        for i, pair in enumerate(zip(stored, fresh, strict=True)):
            wrong = difference(*pair)
            if wrong:
                item.raise_cell_error(f"picture {i}: {wrong}")
    return result
