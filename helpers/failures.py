"""The failure gallery: PPO with one thing broken, recorded; the reader diagnoses it from curves and samples.

Each failure is one line that went wrong, as it does in real code. What is broken is patched for the run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from unittest.mock import patch

import torch
from torch import Tensor

from . import recordings, stages
from .models.generation import pad_right
from .models.profiles import Profile
from .models.roles import SharedBase
from .objectives import kl_penalised_rewards
from .training import ppo
from .training.ppo import PPO, Formulas, PPOConfig, Reward

# --- The broken lines ---------------------------------------------------------


def _turned_round(shared: SharedBase) -> Reward:
    return lambda prompts, completions: -shared.reward(prompts, completions)


def _shifted(shared: SharedBase) -> Reward:
    """Bradley-Terry's loss is the same for r and r + 10: only normalisation takes such a constant out."""
    return lambda prompts, completions: shared.reward(prompts, completions) + 10


def _score_in_last_column(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    rewards = kl_penalised_rewards(torch.zeros_like(scores), logprobs, ref_logprobs, mask, beta)
    rewards[:, -1] += scores * mask[:, -1]  # at padding it is lost
    return rewards


def _without_eos(response_ids: Tensor, eos_id: int) -> Tensor:
    return (response_ids != eos_id).long().cumprod(1).bool()


def _padded_right(rows, pad_id: int, device="cpu") -> Tensor:
    return pad_right(rows, pad_id, device)[0]


def _forget_the_reference(shared: SharedBase) -> None:
    shared.has_reference_adapter = False


class _FastValueHead(PPO):
    def __init__(self, shared: SharedBase, reward: Reward, config: PPOConfig, *rest) -> None:
        super().__init__(shared, reward, config, *rest)
        head = list(shared.value_head.parameters())
        policy = [p for p in shared.trainable_parameters() if all(p is not q for q in head)]
        groups = [{"params": policy}, {"params": head, "lr": 100 * config.learning_rate}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=0.0)


# --- The gallery --------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """One thing that is broken.

    name: of its recording, which must not tell. cause: in a few words, as a choice among others. sign: what curves and
    samples show, and why. broken, right: the line, as it was and as it should be.
    config: PPO's settings that differ. reward: made from the shared base. replaced: name in `training.ppo` -> what
    stands there instead. prepare: what is done to the shared base before the run.
    """

    name: str
    cause: str
    sign: str
    broken: str
    right: str
    config: Mapping[str, float] = field(default_factory=dict)
    reward: Callable[[SharedBase], Reward] | None = None
    formulas: Formulas = Formulas()
    replaced: Mapping[str, object] = field(default_factory=dict)
    prepare: Callable[[SharedBase], None] = lambda shared: None


HEALTHY = Failure(
    name="case-0",
    cause="nothing is broken",
    sign="The reward rises slowly, then faster; KL follows it and stays near 2 nats; nearly all responses end; entropy "
    "falls a little. The samples stay TL;DRs of their posts.",
    broken="",
    right="",
)

FAILURES = [
    Failure(
        name="case-1",
        cause="the reward has the wrong sign",
        sign="The proxy reward rises as it should, but its samples get worse: PPO maximises what it is given. Only "
        "reading the samples, or the gold reward, shows it.",
        broken="reward = -score",
        right="reward = score",
        reward=_turned_round,
    ),
    Failure(
        name="case-2",
        cause="the score is put on padding",
        sign="KL stays near 0 and the reward does not rise: most scores stand behind the response, where the mask "
        "takes them away. Only responses that fill the whole width are still rewarded.",
        broken="rewards[:, -1] += scores",
        right="rewards[torch.arange(batch), mask.sum(1) - 1] += scores",
        formulas=Formulas(kl_penalised_rewards=_score_in_last_column),
    ),
    Failure(
        name="case-3",
        cause="prompts are padded on the wrong side",
        sign="From the first update on the samples begin strangely, all but that of the longest prompt: the policy "
        "continues padding. The reward starts lower than the SFT policy's.",
        broken='tokenizer.padding_side = "right"',
        right='tokenizer.padding_side = "left"  # a prompt must end where its response begins',
        replaced={"pad_left": _padded_right},
    ),
    Failure(
        name="case-4",
        cause="the value head learns a hundred times too fast",
        sign="The value loss jumps, and the explained variance falls far below 0: the values swing past the returns "
        "and fill the advantages with noise. The reward hardly rises.",
        broken='{"params": value_head, "lr": 100 * learning_rate}',
        right='{"params": value_head, "lr": learning_rate}',
        replaced={"PPO": _FastValueHead},
    ),
    Failure(
        name="case-5",
        cause="a response that never ends costs nothing",
        sign="Fewer and fewer responses end by themselves, and they get longer, up to the limit: the reward model "
        "likes long texts, and nothing speaks for </s>.",
        broken="missing_eos_penalty=0.0",
        right="missing_eos_penalty=1.0",
        config={"missing_eos_penalty": 0.0},
    ),
    Failure(
        name="case-6",
        cause="the learning rate is ten times too high",
        sign="KL leaps within a few updates, most ratios are clipped, the entropy collapses, and the samples become "
        "the same fragment for every post.",
        broken="learning_rate=5e-3",
        right="learning_rate=5e-4",
        config={"learning_rate": 5e-3},
    ),
    Failure(
        name="case-7",
        cause="the reference is not the model that the policy began from",
        sign="KL is above 0 at the first update already, before anything was learned: the reference is the base model "
        "without the SFT adapter, so the policy is pulled away from where it began.",
        broken="reference = base model",
        right="reference = a frozen copy of the policy at its start",
        prepare=_forget_the_reference,
    ),
    Failure(
        name="case-8",
        cause="the reward was not normalised",
        sign="The reward stands near 10 from the start, and the value loss is huge until the value head has learnt "
        "that constant. Until then whatever ends late looks better than what ends early.",
        broken="score = reward_model(prompt, response)",
        right="score = (reward_model(prompt, response) - mean) / std",
        reward=_shifted,
    ),
    Failure(
        name="case-9",
        cause="padding and </s> are the same token",
        sign='"ended" is 0 in every update: a mask that leaves out padding leaves out </s> as well. It is never '
        "learned, every response pays the penalty for not ending, and the length drifts.",
        broken="tokenizer.pad_token = tokenizer.eos_token; mask = response_ids != tokenizer.pad_token_id",
        right="a padding token of its own; the mask holds the first </s>",
        replaced={"response_mask": _without_eos},
    ),
    Failure(
        name="case-10",
        cause="the KL coefficient is 0",
        sign="All looks well for long, and better than the healthy run: then KL runs away, the proxy reward still "
        "rises, and the gold reward falls.",
        broken="beta=0.0",
        right="beta=0.05",
        config={"beta": 0.0, "updates": 80},
    ),
]


def run(profile: Profile, failure: Failure, *, record: str | None = None, **settings) -> Iterator[dict]:
    """PPO with the failure in it, its records as from `stages.ppo_with_gold`. settings: of PPOConfig, for a trial."""
    config = PPOConfig.of(profile, **{**failure.config, **settings})
    shared = stages.load_shared(profile, seed=config.seed)
    failure.prepare(shared)
    reward = failure.reward(shared) if failure.reward else None
    with ExitStack() as broken:
        for name, instead in failure.replaced.items():
            broken.enter_context(patch.object(ppo, name, instead))
        yield from stages.ppo_with_gold(
            profile,
            config,
            shared=shared,
            reward=reward,
            formulas=failure.formulas,
            record=record,
            title=failure.name.replace("-", " ").capitalize(),
        )


def record_all(profile: Profile, **settings) -> Iterator[dict]:
    """Run the healthy case and every failure, and ship each recording as it is done; yields the records."""
    for failure in [HEALTHY, *FAILURES]:
        for record in run(profile, failure, record=failure.name, **settings):
            yield {"recording": failure.name} | record
        recordings.ship(failure.name, profile.name)
