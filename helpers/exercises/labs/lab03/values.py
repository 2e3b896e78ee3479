"""Exercises of lab 03: the loss of the value function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal, right_padded
from .masks import Mean, mean_mistakes, token_mean


def _two_value_functions(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length, clip in ((4, 6, 0.2), (3, 4, 0.5), (1, 2, 0.1)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        old = normal(rng, n, length)
        values = old + normal(rng, n, length, scale=0.5)
        cases.append(
            {"values": values, "old_values": old, "returns": normal(rng, n, length), "mask": mask, "clip": clip}
        )
    # Mean errors: plain above clipped, and clipped above plain. The larger of each token is above both.
    return [
        *cases,
        _moved([0.0, 0.0, 0.5], [1.0, -1.0, 0.55], [1.0, 1.0, -0.2], 0.2),
        _moved([0.0, 0.0, 0.0], [1.0, 0.5, -0.5], [1.0, 0.4, 0.0], 0.1),
    ]


def _moved(old: list[float], values: list[float], returns: list[float], clip: float) -> Arguments:
    """One response with these numbers, and a token of padding."""
    given = {"values": [*values, 5.0], "old_values": [*old, -2.0], "returns": [*returns, 1.0]}
    mask = torch.tensor([[True] * len(old) + [False]])
    return {name: torch.tensor([numbers]) for name, numbers in given.items()} | {"mask": mask, "clip": clip}


def _clipped_error(
    clipped: Callable[..., Tensor] = lambda new, old, returns, clip: old + (new - old).clamp(-clip, clip),
    combine: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
    mean: Mean = token_mean,
    factor: float = 0.5,
    error: Callable[[Tensor, Tensor], Tensor] = lambda value, target: (value - target) ** 2,
) -> Callable[..., Tensor]:
    """PPO's value loss with one part exchanged, and without detaching anything."""

    def loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
        plain_error = error(values, returns)
        clipped_error = error(clipped(values, old_values, returns, clip), returns)
        return factor * mean(combine(plain_error, clipped_error), mask)

    return loss


def _first(plain: Tensor, clipped: Tensor) -> Tensor:
    return plain


def _second(plain: Tensor, clipped: Tensor) -> Tensor:
    return clipped


def _of_means(choose: Callable[[Tensor, Tensor], Tensor], factor: float = 0.5) -> Callable[..., Tensor]:
    return lambda *given: (
        factor
        * choose(
            _clipped_error(combine=_first, factor=1.0)(*given), _clipped_error(combine=_second, factor=1.0)(*given)
        )
    )


def _against_old_values(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * token_mean(torch.maximum((values - returns) ** 2, (held - old_values) ** 2), mask)


CLIPPED_VALUE_LOSS = Exercise(
    name="clipped_value_loss",
    title="The value function's clipped loss",
    minutes=8,
    difficulty=2,
    deliver="A scalar tensor: the loss over all real tokens of the batch; a gradient flows to values only.",
    reference=objectives.clipped_value_loss,
    cases=_two_value_functions,
    gradients=("values", "old_values", "returns"),
    hints=(
        "A clipped value is the old value plus a change that is held between -clip and clip.",
        "Two squared errors against the returns, `torch.maximum` of both, masked mean, times one half.",
        "Old values and returns belong to the rollout: detach both.",
    ),
    misconceptions=(
        Misconception(
            "min",
            "it takes the smaller error: the larger is asked for, so that clipping never makes the loss look better",
            (_clipped_error(combine=torch.minimum), _clipped_error(combine=torch.minimum, factor=1.0)),
        ),
        Misconception(
            "clip alone",
            "the maximum is missing: a value that went far the wrong way would get no gradient",
            (_clipped_error(combine=_second), _clipped_error(combine=_second, factor=1.0)),
        ),
        Misconception(
            "no clip",
            "nothing is clipped (a value held near its *return* changes nothing): hold it near the old value",
            (_clipped_error(combine=_first), _clipped_error(combine=_first, factor=1.0)),
        ),
        Misconception(
            "means first",
            "it chooses between two means: take the larger error of *each token*, then the mean",
            (_of_means(torch.maximum), _of_means(torch.minimum), _of_means(torch.maximum, factor=1.0)),
        ),
        Misconception(
            "both errors",
            "it adds the two errors or averages them: at each token the larger of the two counts alone",
            (
                _clipped_error(combine=lambda plain, clipped: plain + clipped),
                _clipped_error(combine=lambda plain, clipped: (plain + clipped) / 2),
            ),
        ),
        Misconception(
            "clip fixed",
            "it clips at a fixed number: use the argument `clip`, which is not always 0.2",
            _clipped_error(lambda new, old, returns, clip: old + (new - old).clamp(-0.2, 0.2)),
        ),
        Misconception(
            "one side",
            "it clips on one side only: hold the change between -clip and clip",
            (
                _clipped_error(lambda new, old, returns, clip: old + (new - old).clamp(max=clip)),
                _clipped_error(lambda new, old, returns, clip: old + (new - old).clamp(min=-clip)),
            ),
        ),
        Misconception(
            "clips the error",
            "it clips the error: the worst guesses get no gradient. The clip limits the *move* from the old value",
            (
                _clipped_error(
                    clipped=lambda new, old, returns, clip: returns + (new - returns).clamp(-clip, clip),
                    combine=_second,
                ),
                lambda values, old_values, returns, mask, clip: (
                    0.5 * token_mean(((values - returns) ** 2).clamp(max=clip), mask)
                ),
            ),
        ),
        Misconception(
            "around zero",
            "it clips the value itself: clip its *change* since the rollout, values - old_values",
            (
                _clipped_error(clipped=lambda new, old, returns, clip: new.clamp(-clip, clip)),
                _clipped_error(clipped=lambda new, old, returns, clip: new.clamp(1 - clip, 1 + clip)),
                _clipped_error(clipped=lambda new, old, returns, clip: old.clamp(-clip, clip)),
            ),
        ),
        Misconception(
            "old value lost",
            "the old value is not added back: the clipped value is old value plus clipped change",
            _clipped_error(clipped=lambda new, old, returns, clip: (new - old).clamp(-clip, clip)),
        ),
        Misconception(
            "change from new",
            "the clipped change is added to the new value or subtracted: it starts from the *old* value",
            (
                _clipped_error(clipped=lambda new, old, returns, clip: new + (new - old).clamp(-clip, clip)),
                _clipped_error(clipped=lambda new, old, returns, clip: old - (new - old).clamp(-clip, clip)),
                _clipped_error(clipped=lambda new, old, returns, clip: old + (old - new).clamp(-clip, clip)),
                _clipped_error(clipped=lambda new, old, returns, clip: new + (old - new).clamp(-clip, clip)),
            ),
        ),
        Misconception(
            "as a ratio",
            "it clips a ratio, as the policy loss does: a value may move by at most `clip`, so clip the difference",
            (
                _clipped_error(clipped=lambda new, old, returns, clip: old * (new / old).clamp(1 - clip, 1 + clip)),
                _clipped_error(
                    lambda new, old, returns, clip: torch.max(torch.min(new, old * (1 + clip)), old * (1 - clip))
                ),
                _clipped_error(clipped=lambda new, old, returns, clip: old + (new - old).clamp(1 - clip, 1 + clip)),
            ),
        ),
        Misconception(
            "not squared",
            "the errors are not squared: take (value - return) ** 2",
            (
                _clipped_error(error=lambda value, target: (value - target).abs()),
                _clipped_error(error=lambda value, target: value - target),
            ),
        ),
        Misconception(
            "square of a max",
            "it squares the larger of the two signed errors: square both first, then take the larger",
            _clipped_error(error=lambda value, target: value - target, combine=lambda a, b: torch.maximum(a, b) ** 2),
        ),
        Misconception(
            "wrong target",
            "an error is measured from the old values: both are measured from the returns",
            (
                lambda values, old_values, returns, mask, clip: _clipped_error()(
                    values, returns, old_values, mask, clip
                ),
                _against_old_values,
            ),
        ),
        Misconception(
            "sign",
            "there is a minus: an error is made smaller, so the loss is the mean squared error itself",
            (_clipped_error(factor=-0.5), _clipped_error(factor=-0.5, combine=torch.minimum)),
        ),
        Misconception(
            "no half",
            "the half is missing: it belongs to the definition, and the value coefficient was chosen with it",
            _clipped_error(factor=1.0),
        ),
        Misconception(
            "half twice",
            "it halves twice: one half is asked for",
            _clipped_error(factor=0.25),
        ),
        *mean_mistakes(lambda mean: _clipped_error(mean=mean), "values at padding mean nothing"),
        Misconception(
            "no gradient",
            "the value is right, but no gradient reaches `values`: is it detached, or turned into plain numbers "
            "(.item(), .tolist(), torch.tensor)? Only old_values and returns are detached",
            (
                lambda *given: _clipped_error()(*given).detach(),
                lambda values, *rest: _clipped_error()(values.detach(), *rest),
            ),
        ),
        Misconception(
            "returns train",
            "the value is right, but a gradient flows to old_values or returns: they are fixed targets. Detach both",
            (
                _clipped_error(),
                lambda values, old, *rest: _clipped_error()(values, old.detach(), *rest),
                lambda values, old, returns, *rest: _clipped_error()(values, old, returns.detach(), *rest),
            ),
        ),
    ),
)
