"""What the experiment of lab 06 holds: its parts, and the plan that lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..preferences import read_prompts
from .runner import file_name

Teacher = Literal["people", "draft overlap", "longer", "random errors"]
NewLabels = Literal["labels on SFT's texts", "labels on its own texts"]
SecondRound = Literal["", "no new labels"] | NewLabels
ON_SFT: NewLabels = "labels on SFT's texts"
ON_POLICY: NewLabels = "labels on its own texts"
NEW_LABELS = (ON_SFT, ON_POLICY)

ONLINE = ("PPO", "REINFORCE", "RLOO", "GRPO")  # they sample, and a reward model scores
DIRECT = ("DPO", "SFT on the chosen")  # they learn from the pairs alone


# --- Parts --------------------------------------------------------------------


@dataclass(frozen=True)
class Labels:
    """A teacher's labels: for each pair 1 where the teacher agrees with the person, 0 where not, 0.5 for a tie."""

    teacher: Teacher
    seed: int

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("labels", self.teacher, f"seed {self.seed}")


@dataclass(frozen=True)
class NewPairs:
    """Pairs that the SFT policy or that of the first round writes, as people label them.

    There are at most as many as in the first round for the prompts that it was trained on, to learn from ("train"), and
    others to test with ("test").
    """

    kind: NewLabels
    seed: int

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("new", self.kind, f"seed {self.seed}")


@dataclass(frozen=True)
class RewardModel:
    """A reward model, and its margins on test pairs; in a second round it is trained on old and new labels."""

    trained_on: Labels | NewPairs

    @property
    def file_name(self) -> str:
        """Of the part's file, and of the model's folder."""
        return file_name("reward model", self.source, f"seed {self.seed}")

    @property
    def source(self) -> Teacher | NewLabels:
        """The teacher, or which new labels."""
        return self.trained_on.teacher if isinstance(self.trained_on, Labels) else self.trained_on.kind

    @property
    def seed(self) -> int:
        """That of its labels."""
        return self.trained_on.seed


@dataclass(frozen=True)
class Judges:
    """Reward models of both rounds on new pairs of the SFT policy and of the first round's policy.

    Their margins, and the accuracy that no judge of these pairs can beat.
    """

    seed: int

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("judges", f"seed {self.seed}")


@dataclass(frozen=True)
class Run:
    """One policy: how it was trained, on whose labels, and with which KL coefficient (not for SFT).

    A run of the second round goes on from PPO's policy.
    """

    method: str
    seed: int
    beta: float = 0.05
    teacher: Teacher = "people"
    second_round: SecondRound = ""

    @property
    def file_name(self) -> str:
        """Of the part's file, and of the policy's folder."""
        labels = self.teacher, self.second_round
        return file_name("run", self.method, f"beta {self.beta:g}", *labels, f"seed {self.seed}")

    @property
    def reward_model(self) -> RewardModel:
        """What a method that samples is trained against."""
        match self.second_round:
            case "" | "no new labels":
                return RewardModel(Labels(self.teacher, self.seed))
            case kind:
                return RewardModel(NewPairs(kind, self.seed))


Part = Labels | RewardModel | NewPairs | Judges | Run


# --- Plan ---------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What the experiment holds. The default is what is shipped."""

    labels: int = 1024  # pairs that each way uses; in a second round as many new ones
    seeds: int = 3
    teachers: tuple[Teacher, ...] = ("people", "draft overlap", "longer", "random errors")
    online: tuple[str, ...] = ONLINE
    betas: tuple[float, ...] = (0.05, 0.2)  # KL coefficients of PPO; the others' is the first
    dpo_betas: tuple[float, ...] = (0.1, 0.3)
    updates: int = 40
    every: int = 8  # updates from one measurement of the policy to the next; of other teachers and rounds: the last
    prompts: int = 64  # held out, for every measurement
    judged: int = 384  # other held-out posts, whose pairs test the judges of a second round

    @property
    def other_teachers(self) -> list[Teacher]:
        """The teachers that are not people."""
        return [teacher for teacher in self.teachers if teacher != "people"]

    @property
    def teacher_labels(self) -> list[Labels]:
        """The labels of every teacher."""
        return [Labels(teacher, seed) for teacher in self.teachers for seed in range(self.seeds)]

    @property
    def new_pairs(self) -> list[NewPairs]:
        """The pairs of the second round."""
        return [NewPairs(kind, seed) for kind in NEW_LABELS for seed in range(self.seeds)]

    @property
    def reward_models(self) -> list[RewardModel]:
        """One for each set of labels."""
        return [*map(RewardModel, self.teacher_labels), *map(RewardModel, self.new_pairs)]

    @property
    def judges(self) -> list[Judges]:
        """One part a seed."""
        return [Judges(seed) for seed in range(self.seeds)]

    @property
    def runs(self) -> list[Run]:
        """Those on the labels of people, in one round."""
        online = [("PPO", beta) for beta in self.betas]
        online += [(name, self.betas[0]) for name in self.online if name != "PPO"]
        direct = [("DPO", beta) for beta in self.dpo_betas] + [("SFT on the chosen", 0.0)]
        return [Run(name, seed, beta) for name, beta in online + direct for seed in range(self.seeds)]

    @property
    def teacher_runs(self) -> list[Run]:
        """PPO on the labels of other teachers."""
        return [Run("PPO", seed, self.betas[0], who) for who in self.other_teachers for seed in range(self.seeds)]

    @property
    def second_rounds(self) -> list[Run]:
        """PPO on from the first round's policy, without new labels and with either kind."""
        kinds: tuple[SecondRound, ...] = ("no new labels", *NEW_LABELS)
        return [Run("PPO", seed, self.betas[0], "people", kind) for kind in kinds for seed in range(self.seeds)]

    @property
    def heldout(self) -> list[str]:
        """Prompts to measure policies on; the first of those that lab 05 measures on."""
        return [row.prompt for row in read_prompts("heldout")][: self.prompts]

    @property
    def judged_on(self) -> list[str]:
        """Other held-out prompts, to test judges on."""
        return [row.prompt for row in read_prompts("heldout")][self.prompts :][: self.judged]
