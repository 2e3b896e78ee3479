"""The experiment of lab 06, small: what it holds, that it goes on where it was stopped, what is read of it."""

import pytest

from helpers import alignment as module
from helpers.alignment import Alignment, Plan
from helpers.experiments import make_all
from helpers.models.profiles import get_profile
from helpers.preferences import load_preferences, read_prompts
from helpers.training.ppo import PPOConfig

TINY = get_profile("tiny")
PLAN = Plan(labels=32, seeds=1, betas=(0.05,), dpo_betas=(0.1,), updates=2, every=1, prompts=2, judged=4)


class Small:
    @staticmethod
    def of(profile, **changes):
        return PPOConfig.of(profile, batch_size=4, max_new_tokens=8, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment that was stopped once, and what its second run yielded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PPOConfig", Small)
        patch.setattr(module, "steps_for", lambda labels: 1)
        patch.setattr(module, "load_preferences", lambda split: load_preferences(split)[:40])
        patch.setattr(module, "read_prompts", lambda split: read_prompts(split)[:12])
        found = Alignment(TINY, PLAN, tmp_path_factory.mktemp("alignment"))
        run = make_all(found, processes=1)
        first = [next(run) for _ in range(7)]
        run.close()
        assert all(part["made"] for part in first)
        second = list(make_all(found, processes=1))
        assert [part["made"] for part in second] == [False] * 7 + [True] * (len(second) - 7)
        assert len({part["part"] for part in second}) == len(second) == 4 + 1 + 6 + 3 + 3 + 2 + 2 + 4
    return found


def test_all(whole):
    pass
