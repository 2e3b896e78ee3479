"""The experiment of lab 06: ways from preferences to a policy on equal data, other judges, another round of labels.

Every way begins at the SFT policy and sees as many pairs; what it wrote for held-out posts is kept. Training never sees
the gold reward; it is noted beside. `alignment_results` reads what came of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from .. import files
from ..evaluation.policies import completion_loss, sample
from ..evaluation.reward_models import best_possible, pair_scores
from ..labeling.judges import longer_judge, reading_judge, relabel
from ..models.profiles import Profile
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from ..preferences import Demonstration, Preference, load_preferences, read_prompts
from ..runs.artifacts import Artifacts
from ..training.dpo import train_dpo
from ..training.grpo import train_in_groups
from ..training.ppo_config import PPOConfig
from ..training.reinforce import train_reinforce
from ..training.sft import train_sft
from ..training.train_ppo import train_ppo
from .collect_data import SAMPLING, compared
from .overoptimization import Proxy, steps_for, train_proxy
from .runner import Experiment, short

READ = 8  # prompts of which the texts of every policy are kept
DRAWS = 2  # samples of each held-out prompt, in every measurement

Teacher = Literal["people", "AI", "longer", "random errors"]
Again = Literal["", "no new labels", "labels on SFT's texts", "labels on its own texts"]
NEW: tuple[Again, Again] = ("labels on SFT's texts", "labels on its own texts")

ONLINE: dict[str, Callable[..., Iterator[dict]]] = {  # they sample, and a reward model scores
    "PPO": train_ppo,
    "REINFORCE": train_reinforce,
    "RLOO": lambda *arguments: train_in_groups("rloo", *arguments),
    "GRPO": lambda *arguments: train_in_groups("grpo", *arguments),
}
DIRECT = ("DPO", "SFT on the chosen")  # they learn from the pairs alone


@dataclass(frozen=True)
class Run:
    """One policy: how it was trained, on whose labels, with which KL coefficient (not for SFT), and in a second round,
    which goes on from PPO's policy, on which new labels."""

    method: str
    seed: int
    beta: float = 0.05
    teacher: Teacher = "people"
    again: Again = ""

    @property
    def name(self) -> str:
        parts = [self.method, f"beta {self.beta:g}", self.teacher, self.again, f"seed {self.seed}"]
        return "run, " + ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Plan:
    """What the experiment holds. The default is what is shipped."""

    labels: int = 1024  # pairs that each way sees; in a second round as many new ones
    seeds: int = 3
    teachers: tuple[Teacher, ...] = ("people", "AI", "longer", "random errors")
    online: tuple[str, ...] = tuple(ONLINE)
    betas: tuple[float, ...] = (0.05, 0.2)  # KL coefficients of PPO; the others' is the first
    dpo_betas: tuple[float, ...] = (0.1, 0.3)
    updates: int = 40
    every: int = 8  # updates from one measurement of the policy to the next; of other teachers and rounds: the last
    prompts: int = 64  # held out, for every measurement
    judged: int = 384  # other held-out posts, whose pairs test the judges of a second round

    @property
    def others(self) -> list[Teacher]:
        """The teachers that are not people."""
        return [teacher for teacher in self.teachers if teacher != "people"]

    @property
    def runs(self) -> list[Run]:
        """Those on the labels of people, in one round."""
        online = [("PPO", beta) for beta in self.betas]
        online += [(name, self.betas[0]) for name in self.online if name != "PPO"]
        direct = [("DPO", beta) for beta in self.dpo_betas] + [("SFT on the chosen", 0.0)]
        return [Run(name, seed, beta) for name, beta in online + direct for seed in range(self.seeds)]

    @property
    def taught(self) -> list[Run]:
        """PPO on the labels of other teachers."""
        return [Run("PPO", seed, self.betas[0], teacher) for teacher in self.others for seed in range(self.seeds)]

    @property
    def rounds(self) -> list[Run]:
        return [
            Run("PPO", seed, self.betas[0], "people", what)
            for what in ("no new labels", *NEW)
            for seed in range(self.seeds)
        ]

    @property
    def heldout(self) -> list[str]:
        """Prompts to measure policies on; the first of those that lab 05 measures on."""
        return [row.prompt for row in read_prompts("heldout")][: self.prompts]

    @property
    def judged_on(self) -> list[str]:
        """Other held-out prompts, to test judges on."""
        return [row.prompt for row in read_prompts("heldout")][self.prompts :][: self.judged]


@dataclass(frozen=True)
class DirectAlignment(Experiment):
    """What is in the experiment, and how each part of it is made."""

    FOLDER = "alignment"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def phases(self) -> list[list[str]]:
        plan, seeds = self.plan, range(self.plan.seeds)
        offline = [run.name for run in plan.runs if run.method in DIRECT]
        return [
            [f"labels, {teacher}, seed {seed}" for teacher in plan.teachers for seed in seeds],
            [f"reward model, people, seed {seed}" for seed in seeds],
            [run.name for run in plan.runs if run.method not in DIRECT] + offline,
            [f"reward model, {teacher}, seed {seed}" for teacher in plan.others for seed in seeds],
            [run.name for run in plan.taught],
            [f"new labels, {what}, seed {seed}" for what in NEW for seed in seeds],
            [f"reward model, {what}, seed {seed}" for what in NEW for seed in seeds],
            [run.name for run in plan.rounds] + [f"judges, seed {seed}" for seed in seeds],
        ]

    def make(self, part: str) -> None:
        what, *words, last = part.split(", ")
        seed = int(last.removeprefix("seed "))
        started = time.process_time()
        match what:
            case "labels":
                content = self._labels(words[0], seed)
            case "reward model":
                content = self._reward_model(words[0], seed, self.folder / part)
            case "new labels":
                content = self._new_labels(words[0], seed)
            case "judges":
                content = self._judges(seed)
            case _:
                runs = self.plan.runs + self.plan.taught + self.plan.rounds
                content = self._run(next(run for run in runs if run.name == part))
        # Of the processor, not of the clock: a worker has one thread, and others may run beside it.
        self.write(part, {"seconds": round(time.process_time() - started, 1)} | content)

    # --- Labels and reward models ---------------------------------------------------------------

    def _pairs(self, seed: int) -> list[Preference]:
        return Proxy(self.plan.labels, seed).pairs(load_preferences("train"))

    def _labels(self, teacher: Teacher, seed: int) -> dict:
        """For each pair, in the order of `_pairs`: 1 where the teacher agrees with the person, 0 where not, 0.5 for a
        tie."""
        pairs = self._pairs(seed)
        columns = [p.prompt for p in pairs], [p.chosen for p in pairs], [p.rejected for p in pairs]
        match teacher:
            case "people":
                verdicts = np.ones(len(pairs))
            case "longer":
                verdicts = longer_judge(*columns)
            case "AI":
                verdicts = reading_judge(SharedBase.load(self.profile))(*columns)
            case "random errors":  # as many as the judge by length makes
                rng = random.Random(f"random errors/{seed}")
                errors = 1 - longer_judge(*columns).mean()
                verdicts = np.array([float(rng.random() >= errors) for _ in pairs])
        return {"verdicts": short(verdicts)}

    def taught(self, teacher: Teacher, seed: int) -> list[Preference]:
        """The pairs as the teacher labels them, ties left out."""
        verdicts = self.read(f"labels, {teacher}, seed {seed}")["verdicts"]
        return relabel(self._pairs(seed), lambda *_: np.array(verdicts), teacher)

    def _reward_model(self, source: str, seed: int, folder: Path) -> dict:
        """Trained on a teacher's labels, or in a second round on people's, old and new; its margins on test pairs."""
        if source in self.plan.teachers:
            pairs = self.taught(source, seed)
        else:
            pairs = self._pairs(seed) + self._read_pairs(f"new labels, {source}, seed {seed}", "train")
        started = time.process_time()
        for _ in train_proxy(self.profile, pairs, seed, steps_for(len(pairs)), folder):
            pass
        seconds = round(time.process_time() - started, 1)
        scores = pair_scores(self._load(source, seed), load_preferences("test"))
        return {"seconds": seconds, "labels": len(pairs), "margins": short(scores["chosen"] - scores["rejected"])}

    def _load(self, source: str | None, seed: int) -> SharedBase:
        """The SFT policy with the reward model of that name."""
        sft = Artifacts(self.profile.name).find("sft").path
        reward = self.folder / f"reward model, {source}, seed {seed}" if source else None
        return SharedBase.load(self.profile, sft=sft, reward=reward, seed=seed)

    # --- Policies -----------------------------------------------------------------------------------

    def _run(self, run: Run) -> dict:
        """The policy on the held-out prompts, at every measurement; seconds of training alone."""
        train = self._direct if run.method in DIRECT else self._online
        measured, seconds, samples = train(run)
        return {"seconds": round(seconds, 1), "samples": samples, "measured": measured}

    def _direct(self, run: Run) -> tuple[list[dict], float, int]:
        pairs, folder = self.taught(run.teacher, run.seed), self.folder / run.name
        steps = max(1, 3 * len(pairs) // 32)
        sft = Artifacts(self.profile.name).find("sft").path
        if run.method == "DPO":
            training = train_dpo(self.profile, pairs, sft, beta=run.beta, seed=run.seed, steps=steps, output=folder)
        else:
            rows = [Demonstration(row.id, row.prompt, row.chosen) for row in pairs]
            training = train_sft(self.profile, rows, start=sft, seed=run.seed, steps=steps, output=folder)
        started = time.process_time()
        for _ in training:
            pass
        seconds = time.process_time() - started
        shared = self._load("people", run.seed)
        shared.load_policy(folder)
        return [self._measured(shared, steps, pairs)], seconds, 0

    def _online(self, run: Run) -> tuple[list[dict], float, int]:
        source = run.teacher if run.again in ("", "no new labels") else run.again
        shared = self._load(source, run.seed)
        judge = self._load("people", run.seed)  # one measure for all
        if run.again:
            shared.load_policy(self.folder / Run(run.method, run.seed, run.beta).name)
        draws = run.seed + (100 if run.again else 0)  # of prompts, in another order than in the first round
        config = PPOConfig.of(self.profile, seed=draws, beta=run.beta, updates=self.plan.updates)
        whole = run in self.plan.runs  # its way is shown, not its end alone
        prompts = [row.prompt for row in read_prompts("train")]
        training, measured, seconds = ONLINE[run.method](shared, prompts, shared.reward, config), [], 0.0
        while True:
            started = time.process_time()
            record = next(training, None)
            seconds += time.process_time() - started
            if record is None:
                break
            last = record["step"] == self.plan.updates
            if last or (whole and record["step"] % self.plan.every == 0):
                pairs = self._pairs(run.seed) if last and whole else []
                measured.append(self._measured(shared, record["step"], pairs, judge))
        with files.atomic_folder(self.folder / run.name) as folder:
            shared.write_policy(folder)
        return measured, seconds, config.updates * config.batch_size

    def _measured(
        self, shared: SharedBase, step: int, pairs: Sequence[Preference] = (), judge: SharedBase | None = None
    ) -> dict:
        """The policy of that moment on the held-out prompts: means over the draws of each, and some texts. With
        `pairs`, how likely it finds their texts, in nats a token, beside the SFT policy."""
        drawn = [sample(shared, self.plan.heldout, seed=1000 * step + draw) for draw in range(DRAWS)]
        judge = judge or shared
        proxies = [judge.reward(frame["prompt"].tolist(), frame["completion"].tolist()) for frame in drawn]
        mean = pd.concat(drawn).groupby(level=0)[["gold", "kl", "words", "ended"]].mean()
        told = {
            "step": step,
            "kl": round(float(mean["kl"].mean()), 4),
            "ended": round(float(mean["ended"].mean()), 4),
            "gold": short(mean["gold"]),
            "proxy": short(sum(proxies) / DRAWS),
            "words": short(mean["words"]),
            "completions": drawn[0]["completion"].tolist()[:READ],
        }
        if pairs:
            told["likelihood"] = {
                side: short(self._likelier(shared, pairs[:256], side)) for side in ("chosen", "rejected")
            }
        return told

    def _likelier(self, shared: SharedBase, pairs: Sequence[Preference], side: str) -> np.ndarray:
        """How much likelier the policy finds each text than the SFT policy does, nats a token."""
        texts = [p.prompt for p in pairs], [getattr(p, side) for p in pairs]
        return completion_loss(shared, *texts, REFERENCE) - completion_loss(shared, *texts, POLICY)

    # --- Another round ---------------------------------------------------------------------------

    def _new_labels(self, what: Again, seed: int) -> dict:
        """Pairs that the policy of the first round (or the SFT policy) writes, as people label them: at most as many as
        in the first round for the prompts that it was trained on, to learn from ("train"), and others to test with."""
        shared, role = self._load(None, seed), REFERENCE
        if what == NEW[1]:
            shared.load_policy(self.folder / Run("PPO", seed, self.plan.betas[0]).name)
            role = POLICY
        train = [row.prompt for row in read_prompts("train")][: 14 * self.plan.labels // 10]  # some are lost: ties
        return {
            split: [row.as_dict() for row in self._label(shared, role, prompts, f"{what}/{split}/{seed}")][:most]
            for split, prompts, most in (("train", train, self.plan.labels), ("test", self.plan.judged_on, None))
        }

    def _label(self, shared: SharedBase, role: str, prompts: Sequence[str], key: str) -> Iterator[Preference]:
        rng = random.Random(key)
        texts = [shared.complete(prompts, role, seed=rng.randrange(2**31), **SAMPLING) for _ in range(2)]
        for number, (prompt, a, b) in enumerate(zip(prompts, *texts, strict=True)):
            split = key.split("/")[1]
            row = compared(prompt, (a, role), (b, role), rng, id=f"{key}/{number}", split=split)
            if row:
                yield row

    def _read_pairs(self, part: str, split: str) -> list[Preference]:
        return [Preference(**row) for row in self.read(part)[split]]

    def _judges(self, seed: int) -> dict:
        """Margins of the first round's reward model and of both second ones, on new pairs of the SFT policy and of the
        first round's policy; and the accuracy that no judge of them can beat."""
        sources = {"SFT": NEW[0], "policy": NEW[1]}
        pairs = {name: self._read_pairs(f"new labels, {what}, seed {seed}", "test") for name, what in sources.items()}
        margins = {}
        for judge in ("people", *NEW):
            shared = self._load(judge, seed)
            scores = {name: pair_scores(shared, rows) for name, rows in pairs.items()}
            margins[judge] = {name: short(s["chosen"] - s["rejected"]) for name, s in scores.items()}
        return {"margins": margins, "best": {name: round(best_possible(rows), 4) for name, rows in pairs.items()}}
