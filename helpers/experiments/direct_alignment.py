"""The experiment of lab 06: ways from preferences to a policy on equal data, other judges, a second round of labels.

Every way begins at the SFT policy and uses as many pairs; what it wrote for held-out posts is kept. Training never sees
the gold reward; it is noted beside. `direct_alignment_results` reads what came of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .. import files
from ..evaluation.policies import completion_loss, sample
from ..evaluation.reward_models import best_possible, pair_scores
from ..labeling.judges import draft_overlap_judge, longer_judge, relabel
from ..models.profiles import Profile
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from ..preferences import Demonstration, Preference, load_preferences, read_prompts
from ..runs.artifacts import Artifacts
from ..training.dpo import train_dpo
from ..training.grpo import train_grpo, train_rloo
from ..training.ppo_config import PPOConfig
from ..training.reinforce import train_reinforce
from ..training.sft import train_sft
from ..training.train_ppo import train_ppo
from .collect_data import SAMPLING, compared
from .direct_alignment_plan import (
    DIRECT,
    NEW_LABELS,
    ON_POLICY,
    ON_SFT,
    Judges,
    Labels,
    NewPairs,
    Part,
    Plan,
    RewardModel,
    Run,
    Teacher,
)
from .overoptimization import KEPT_TEXTS, Proxy, steps_for, train_proxy
from .runner import Experiment, rounded

SAMPLES = 2  # of each held-out prompt, in every measurement

TRAINERS: dict[str, Callable[..., Iterator[dict]]] = {
    "PPO": train_ppo,
    "REINFORCE": train_reinforce,
    "RLOO": train_rloo,
    "GRPO": train_grpo,
}


@dataclass(frozen=True)
class DirectAlignment(Experiment[Part]):
    """What is in the experiment, and how each part of it is made."""

    NAME = "direct_alignment"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def phases(self) -> list[list[Part]]:
        """Labels, reward models and policies: of people, then of the other teachers, then of the second round."""
        plan, labels = self.plan, self.plan.teacher_labels
        return [
            [*labels],
            [RewardModel(of) for of in labels if of.teacher == "people"],
            [*sorted(plan.runs, key=lambda run: run.method in DIRECT)],
            [RewardModel(of) for of in labels if of.teacher != "people"],
            [*plan.teacher_runs],
            [*plan.new_pairs],
            [*map(RewardModel, plan.new_pairs)],
            [*plan.second_rounds, *plan.judges],
        ]

    def make(self, part: Part) -> None:
        """Make one part and write it, with the seconds that it took."""
        started = time.process_time()
        content = self._content(part)
        # Of the processor, not of the clock: a worker has one thread, and others may run beside it.
        self.write(part, {"seconds": round(time.process_time() - started, 1)} | content)

    def _content(self, part: Part) -> dict[str, Any]:
        match part:
            case Labels():
                return self._labels(part)
            case RewardModel():
                return self._reward_model(part)
            case NewPairs():
                return self._new_pairs(part)
            case Judges(seed):
                return self._judges(seed)
            case Run():
                return self._run(part)

    # --- Labels and reward models ---------------------------------------------------------------

    def _pairs(self, seed: int) -> list[Preference]:
        return Proxy(self.plan.labels, seed).pairs(load_preferences("train"))

    def _labels(self, part: Labels) -> dict[str, Any]:
        """The teacher's verdicts, in the order of `_pairs`."""
        pairs = self._pairs(part.seed)
        columns = [p.prompt for p in pairs], [p.chosen for p in pairs], [p.rejected for p in pairs]
        match part.teacher:
            case "people":
                verdicts = np.ones(len(pairs))
            case "longer":
                verdicts = longer_judge(*columns)
            case "draft overlap":
                verdicts = draft_overlap_judge(SharedBase.load(self.profile))(*columns)
            case "random errors":  # as many as the judge by length makes
                rng = random.Random(f"random errors/{part.seed}")
                errors = 1 - longer_judge(*columns).mean()
                verdicts = np.array([float(rng.random() >= errors) for _ in pairs])
        return {"verdicts": rounded(verdicts)}

    def labeled_by(self, teacher: Teacher, seed: int) -> list[Preference]:
        """The pairs as the teacher labels them, ties left out."""
        verdicts = self.read(Labels(teacher, seed))["verdicts"]
        return relabel(self._pairs(seed), lambda *_: np.array(verdicts), teacher)

    def _reward_model(self, part: RewardModel) -> dict[str, Any]:
        """Train it; seconds of the training alone, number of labels, margins."""
        match part.trained_on:
            case Labels(teacher, seed):
                pairs = self.labeled_by(teacher, seed)
            case NewPairs(_, seed) as new:
                pairs = self._pairs(seed) + self._read_pairs(new, "train")
        started = time.process_time()
        for _ in train_proxy(self.profile, pairs, seed, steps_for(len(pairs)), self.model_folder(part)):
            pass
        seconds = round(time.process_time() - started, 1)
        scores = pair_scores(self._load(part), load_preferences("test"))
        return {"seconds": seconds, "labels": len(pairs), "margins": rounded(scores["chosen"] - scores["rejected"])}

    def _load(self, reward: RewardModel) -> SharedBase:
        """The SFT policy with that reward model."""
        return SharedBase.load(self.profile, sft=self._sft, reward=self.model_folder(reward), seed=reward.seed)

    @property
    def _sft(self) -> Path:
        return Artifacts(self.profile.name).find("sft").path

    # --- Policies -----------------------------------------------------------------------------------

    def _run(self, run: Run) -> dict[str, Any]:
        """The policy on the held-out prompts, at every measurement; seconds of training alone."""
        train = self._direct if run.method in DIRECT else self._online
        measured, seconds, samples = train(run)
        return {"seconds": round(seconds, 1), "samples": samples, "measured": measured}

    def _direct(self, run: Run) -> tuple[list[dict], float, int]:
        pairs, folder = self.labeled_by(run.teacher, run.seed), self.model_folder(run)
        steps = max(1, 3 * len(pairs) // 32)
        training: Iterator[dict[str, float]]
        if run.method == "DPO":
            training = train_dpo(
                self.profile, pairs, self._sft, beta=run.beta, seed=run.seed, steps=steps, output=folder
            )
        else:
            rows = [Demonstration(row.id, row.prompt, row.chosen) for row in pairs]
            training = train_sft(self.profile, rows, start=self._sft, seed=run.seed, steps=steps, output=folder)
        started = time.process_time()
        for _ in training:
            pass
        seconds = time.process_time() - started
        shared = self._load(RewardModel(Labels("people", run.seed)))
        shared.load_policy(folder)
        return [self._measured(shared, steps, pairs)], seconds, 0

    def _online(self, run: Run) -> tuple[list[dict], float, int]:
        shared = self._load(run.reward_model)
        judge = self._load(RewardModel(Labels("people", run.seed)))  # one measure for all
        if run.second_round:
            shared.load_policy(self.model_folder(Run(run.method, run.seed, run.beta)))
        seed = run.seed + (100 if run.second_round else 0)  # prompts in another order than in the first round
        config = PPOConfig.of(self.profile, seed=seed, beta=run.beta, updates=self.plan.updates)
        shows_course = run in self.plan.runs  # not its end alone
        prompts = [row.prompt for row in read_prompts("train")]
        training = TRAINERS[run.method](shared, prompts, shared.reward, config)
        measured, seconds = [], 0.0
        while True:
            started = time.process_time()
            record = next(training, None)
            seconds += time.process_time() - started
            if record is None:
                break
            last = record["step"] == self.plan.updates
            if last or (shows_course and record["step"] % self.plan.every == 0):
                pairs = self._pairs(run.seed) if last and shows_course else []
                measured.append(self._measured(shared, record["step"], pairs, judge))
        with files.atomic_folder(self.model_folder(run)) as folder:
            shared.write_policy(folder)
        return measured, seconds, config.updates * config.batch_size

    def _measured(
        self, shared: SharedBase, step: int, pairs: Sequence[Preference] = (), judge: SharedBase | None = None
    ) -> dict[str, Any]:
        """The policy of that moment on the held-out prompts: means over the samples of each, and some texts.

        With `pairs`, also its log-likelihood gain on their texts.
        """
        samples = [sample(shared, self.plan.heldout, seed=1000 * step + i) for i in range(SAMPLES)]
        judge = judge or shared
        proxies = [judge.reward(frame["prompt"].tolist(), frame["completion"].tolist()) for frame in samples]
        mean = pd.concat(samples).groupby(level=0)[["gold", "kl", "words", "ended"]].mean()
        measures: dict[str, Any] = {
            "step": step,
            "kl": round(float(mean["kl"].mean()), 4),
            "ended": round(float(mean["ended"].mean()), 4),
            "gold": rounded(mean["gold"]),
            "proxy": rounded(torch.stack(proxies).mean(0)),
            "words": rounded(mean["words"]),
            "completions": samples[0]["completion"].tolist()[:KEPT_TEXTS],
        }
        if pairs:
            chosen, rejected = ([getattr(p, side) for p in pairs[:256]] for side in ("chosen", "rejected"))
            prompts = [p.prompt for p in pairs[:256]]
            measures["likelihood"] = {
                "chosen": rounded(_log_likelihood_gain(shared, prompts, chosen)),
                "rejected": rounded(_log_likelihood_gain(shared, prompts, rejected)),
            }
        return measures

    # --- Second round -----------------------------------------------------------------------------

    def _new_pairs(self, part: NewPairs) -> dict[str, Any]:
        shared, role = SharedBase.load(self.profile, sft=self._sft, seed=part.seed), REFERENCE
        if part.kind == ON_POLICY:
            shared.load_policy(self.model_folder(Run("PPO", part.seed, self.plan.betas[0])))
            role = POLICY
        train = [row.prompt for row in read_prompts("train")][: 14 * self.plan.labels // 10]  # some are lost: ties

        def label(prompts: Sequence[str], split: str) -> list[dict]:
            key = f"{part.kind}/{split}/{part.seed}"
            return [row.as_dict() for row in _label(shared, role, prompts, split, key)]

        return {"train": label(train, "train")[: self.plan.labels], "test": label(self.plan.judged_on, "test")}

    def _read_pairs(self, part: NewPairs, split: str) -> list[Preference]:
        return [Preference(**row) for row in self.read(part)[split]]

    def _judges(self, seed: int) -> dict[str, Any]:
        """Margins of the first round's reward model and of both second ones, and best possible accuracies."""
        writers = {"SFT": ON_SFT, "policy": ON_POLICY}
        pairs = {name: self._read_pairs(NewPairs(kind, seed), "test") for name, kind in writers.items()}
        margins: dict[str, dict[str, list[float]]] = {}
        judges = [RewardModel(Labels("people", seed)), *(RewardModel(NewPairs(kind, seed)) for kind in NEW_LABELS)]
        for judge in judges:
            shared = self._load(judge)
            scores = {name: pair_scores(shared, rows) for name, rows in pairs.items()}
            margins[judge.source] = {name: rounded(s["chosen"] - s["rejected"]) for name, s in scores.items()}
        return {"margins": margins, "best": {name: round(best_possible(rows), 4) for name, rows in pairs.items()}}


def _log_likelihood_gain(shared: SharedBase, prompts: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Log-likelihood of each text under the policy minus that under the SFT policy, nats a token."""
    return completion_loss(shared, prompts, texts, REFERENCE) - completion_loss(shared, prompts, texts, POLICY)


def _label(shared: SharedBase, role: str, prompts: Sequence[str], split: str, key: str) -> Iterator[Preference]:
    """Pairs of two completions of each prompt by the model in `role`, labeled; `key` decides all that is random."""
    rng = random.Random(key)
    texts = [shared.complete(prompts, role, seed=rng.randrange(2**31), **SAMPLING) for _ in range(2)]
    for number, (prompt, a, b) in enumerate(zip(prompts, *texts, strict=True)):
        row = compared(prompt, (a, role), (b, role), rng, id=f"{key}/{number}", split=split)
        if row:
            yield row
