"""The failure gallery as plain data: what is broken in each recorded run of PPO, and what shows it.

`failures` breaks, runs and records them, and shows the line that is broken.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One thing that is broken."""

    name: str  # of its recording, which must not tell
    cause: str  # in a few words, as a choice among others
    sign: str  # what curves and samples show, and why
    updates: int | None = None  # of the recorded run; default: the profile's


HEALTHY = Case(
    name="case-0",
    cause="nothing is broken",
    sign="The reward is flat for about ten updates and then rises; KL begins at 0 and ends below 2 nats; the entropy "
    "halves, the value loss falls, nearly all responses end. The samples stay TL;DRs of their posts.",
)

CASES = [
    Case(
        name="case-1",
        cause="the reward has the wrong sign",
        sign="The reward rises, further than in the healthy run, while responses shrink from 27 tokens to 7: PPO "
        "maximizes what it is given, and the reward model dislikes fragments most of all. The rise alone does not show "
        "it; the samples do.",
    ),
    Case(
        name="case-2",
        cause="the score is put on padding",
        sign="The reward stays where it began, and the value loss is near 0 from the first update on: there is nothing "
        "to learn from. Scores stand behind the response, where the mask takes them away; only the longest response of "
        "a batch, which has no padding, is still rewarded.",
    ),
    Case(
        name="case-3",
        cause="prompts are padded on the wrong side",
        sign="KL is 40 nats at the first update, before anything was learned, and samples begin in the middle of a "
        "word: all prompts but the longest end in padding, and the policy continues that. Its log-probabilities are "
        "then taken of another input than it was sampled from. The reward never gets to where the SFT policy stands.",
    ),
    Case(
        name="case-4",
        cause="the value head learns a hundred times too fast",
        sign="The value loss is three times the healthy run's at the first update, and far above it for four updates; "
        "the explained variance, which has no panel here, falls far below 0 at once. With lambda below 1 the "
        "advantages hold the value function's own estimates. So its errors bias the advantages, and do not only add "
        "noise; with lambda 1 it would be a baseline, which biases nothing. Whitening hides how large the error is. In "
        "this one run the reward still rises.",
    ),
    Case(
        name="case-5",
        cause="a response that never ends costs nothing",
        sign="Nothing shows within these forty updates. The SFT policy ends nineteen of twenty responses by itself, so "
        "the penalty was hardly ever paid. The line is wrong all the same: a policy that finds out that longer is "
        "better would not be held back. Not every mistake shows in a curve.",
    ),
    Case(
        name="case-6",
        cause="the learning rate is ten times too high",
        sign="KL is at 6 nats after eight updates and beyond 50 at the end; the entropy rises threefold, "
        "as the texts break up. The reward rises fast in eight updates, stays high, and falls at the end.",
    ),
    Case(
        name="case-7",
        cause="the reference is not the model that the policy began from",
        sign="KL is 0.4 nats at the very first update, before anything was learned: the reference is the base model "
        "without the SFT adapter, so the penalty pulls the policy away from where it began. SFT changed the base "
        "little here, so the run survives it.",
    ),
    Case(
        name="case-8",
        cause="the reward was not normalized",
        sign="The reward stands near 10 from the start, and the value loss at 16. Then responses shrink to a single "
        "</s>. The value head begins at 0, so every token seems to earn about 10, later ones more than earlier ones "
        "(lambda is below 1); whitened, that says: late tokens are good. So the policy learns to end at once.",
    ),
    Case(
        name="case-9",
        cause="padding and </s> are the same token",
        sign="No response ends, in any update, though many samples look whole: a mask that leaves out padding leaves "
        "out </s> as well. Every response pays the penalty for not ending, so the reward starts 1 lower, and nothing "
        "teaches the policy when to stop. It learns, but slowly.",
    ),
    Case(
        name="case-10",
        cause="the KL coefficient is 0",
        sign="For forty updates it looks like the healthy run. Then KL climbs on, to 6 nats after eighty, while the "
        "reward still rises: nothing holds the policy, and only KL gives a warning. With a reward model as good "
        "as this one the samples are fine so far; lab 05 shows what the same line does with one of 64 labels.",
        updates=80,
    ),
]
