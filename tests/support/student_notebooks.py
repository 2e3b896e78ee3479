"""Students' notebooks with one exercise."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

RIGHT = """
def bradley_terry_loss(chosen, rejected):
    return minus_log_sigmoid(chosen - rejected).mean() * SCALE

bradley_terry_loss = check(bradley_terry_loss)
"""


BEFORE = ["import torch\nfrom torch.nn.functional import softplus\nfrom helpers.exercises import check\nSCALE = 1.0",
          "shared = load_a_model_that_is_not_there()", "this does not parse (",
          "def minus_log_sigmoid(x):\n    return softplus(-x)"]  # fmt: skip


def body(*lines):
    text = "\n".join(f"    {line}" for line in lines)
    return f"def bradley_terry_loss(chosen, rejected):\n{text}\n\nbradley_terry_loss = check(bradley_terry_loss)"


def save(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
