"""The failure gallery as plain data: what is broken in each recorded run of PPO, what shows it, and which line it is.

`failures` breaks and records them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One thing that is broken.

    name: of its recording, which must not tell. cause: in a few words, as a choice among others. sign: what curves and
    samples show, and why. broken, right: the line, as it was and as it should be.
    """

    name: str
    cause: str
    sign: str
    broken: str
    right: str


HEALTHY = Case(
    name="case-0",
    cause="nothing is broken",
    sign="The reward rises slowly, then faster; KL follows it and stays near 2 nats; nearly all responses end; entropy "
    "falls a little. The samples stay TL;DRs of their posts.",
    broken="",
    right="",
)

CASES = [
    Case(
        name="case-1",
        cause="the reward has the wrong sign",
        sign="The proxy reward rises as it should, but its samples get worse: PPO maximises what it is given. Only "
        "reading the samples, or the gold reward, shows it.",
        broken="reward = -score",
        right="reward = score",
    ),
    Case(
        name="case-2",
        cause="the score is put on padding",
        sign="KL stays near 0 and the reward does not rise: most scores stand behind the response, where the mask "
        "takes them away. Only responses that fill the whole width are still rewarded.",
        broken="rewards[:, -1] += scores",
        right="rewards[torch.arange(batch), mask.sum(1) - 1] += scores",
    ),
    Case(
        name="case-3",
        cause="prompts are padded on the wrong side",
        sign="From the first update on the samples begin strangely, all but that of the longest prompt: the policy "
        "continues padding. The reward starts lower than the SFT policy's.",
        broken='tokenizer.padding_side = "right"',
        right='tokenizer.padding_side = "left"  # a prompt must end where its response begins',
    ),
    Case(
        name="case-4",
        cause="the value head learns a hundred times too fast",
        sign="The value loss jumps, and the explained variance falls far below 0: the values swing past the returns "
        "and fill the advantages with noise. The reward hardly rises.",
        broken='{"params": value_head, "lr": 100 * learning_rate}',
        right='{"params": value_head, "lr": learning_rate}',
    ),
    Case(
        name="case-5",
        cause="a response that never ends costs nothing",
        sign="Fewer and fewer responses end by themselves, and they get longer, up to the limit: the reward model "
        "likes long texts, and nothing speaks for </s>.",
        broken="missing_eos_penalty=0.0",
        right="missing_eos_penalty=1.0",
    ),
    Case(
        name="case-6",
        cause="the learning rate is ten times too high",
        sign="KL leaps within a few updates, most ratios are clipped, the entropy collapses, and the samples become "
        "the same fragment for every post.",
        broken="learning_rate=5e-3",
        right="learning_rate=5e-4",
    ),
    Case(
        name="case-7",
        cause="the reference is not the model that the policy began from",
        sign="KL is above 0 at the first update already, before anything was learned: the reference is the base model "
        "without the SFT adapter, so the policy is pulled away from where it began.",
        broken="reference = base model",
        right="reference = a frozen copy of the policy at its start",
    ),
    Case(
        name="case-8",
        cause="the reward was not normalised",
        sign="The reward stands near 10 from the start, and the value loss is huge until the value head has learnt "
        "that constant. Until then whatever ends late looks better than what ends early.",
        broken="score = reward_model(prompt, response)",
        right="score = (reward_model(prompt, response) - mean) / std",
    ),
    Case(
        name="case-9",
        cause="padding and </s> are the same token",
        sign='"ended" is 0 in every update: a mask that leaves out padding leaves out </s> as well. It is never '
        "learned, every response pays the penalty for not ending, and the length drifts.",
        broken="tokenizer.pad_token = tokenizer.eos_token; mask = response_ids != tokenizer.pad_token_id",
        right="a padding token of its own; the mask holds the first </s>",
    ),
    Case(
        name="case-10",
        cause="the KL coefficient is 0",
        sign="All looks well for long, and better than the healthy run: then KL runs away, the proxy reward still "
        "rises, and the gold reward falls.",
        broken="beta=0.0",
        right="beta=0.05",
    ),
]
