"""Proximal policy optimisation of a language model with a KL penalty, in plain sight.

One update: sample responses (rollout), score them, turn score and KL penalty into rewards per token, estimate
advantages with the value head, then take a few clipped gradient steps. The mathematics stands in `objectives`; the four
roles (policy, reference, reward, value) share one quantised base, see `models.shared_base`.

Sources: Ziegler et al. 2019 and Stiennon et al. 2020 (the KL-penalised reward), Schulman et al. 2017 (PPO), Schulman
et al. 2016 (advantages), Ouyang et al. 2022 (InstructGPT).
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from math import inf, isfinite
from numbers import Integral, Real

import torch
from bitsandbytes.optim import PagedAdamW8bit
from torch import Tensor

from ..files import LabError
from ..formulas.objectives import (
    clipped_policy_loss,
    clipped_value_loss,
    entropy_from_logits,
    gae,
    kl_k1,
    kl_penalised_rewards,
    masked_mean,
    masked_whiten,
    response_logprobs,
)
from ..models.generation import pad_left, pad_right, response_mask
from ..models.loading import prompt_ids as encode_prompts
from ..models.profiles import Profile
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from . import checkpoints
from .checkpoints import Checkpoint, State
from .distributed import Team
from .inspection import inspected

ALONE = Team()

Reward = Callable[[Sequence[str], Sequence[str]], Sequence[float] | Tensor]
"""A reward is any function of prompts and completions that gives one number for each."""


def weighted_sum(*parts: tuple[float, Reward]) -> Reward:
    """The reward that is the sum of others, each times its weight: weighted_sum((1.0, judge), (-0.01, words)).

    A part that gives not one finite number for each completion is refused (LabError) as it would be alone.
    """
    if not parts:
        raise LabError("a weighted sum needs at least one reward")

    def reward(prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        scores = [weight * scores_of(part, prompts, completions, torch.device("cpu")) for weight, part in parts]
        return torch.stack(scores).sum(dim=0)

    return reward


UNLIMITED = ("clip", "value_clip", "max_grad_norm")  # may be infinite: no limit


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral) and isfinite(value)


def _no_numbers(config: "PPOConfig", whole: set[str], optional: set[str]) -> list[str]:
    """The settings that are no finite numbers, or no whole ones where they must be. optional: may be None."""
    problems = []
    for name, value in ((field.name, getattr(config, field.name)) for field in fields(config)):
        is_one = isinstance(value, Integral) and abs(value) < 2**63 or name not in whole and _is_real(value)
        if not (is_one or value is None and name in optional or value == inf and name in UNLIMITED):
            problems.append(f"{name} is {repr(value)[:40]}: a {'whole ' * (name in whole)}number")
    return problems


@dataclass(frozen=True)
class PPOConfig:
    """Every knob of PPO; `beta` is the KL coefficient in the text, the figures and here. Raises LabError for settings
    that cannot be trained with, all of them in one message."""

    updates: int = 40  # rollout batches, each followed by `epochs` passes
    batch_size: int = 32  # rollouts an update
    minibatch_size: int = 32  # rollouts a gradient step; all of them if an update has fewer
    microbatch_size: int | None = 16  # rollouts a forward pass, of like length to save padding; None: the minibatch
    epochs: int = 2  # passes over each batch of rollouts
    learning_rate: float = 5e-4  # AdamW, for the policy's LoRA weights and the value head
    beta: float = 0.05  # KL coefficient, reward units a nat
    kl_target: float | None = None  # beta is adapted so that KL (nats a response) comes near this, see `adapted`
    gamma: float = 1.0  # discount: a summary's score counts in full at its first token
    lam: float = 0.95  # GAE: 1 is all return, 0 all value function
    clip: float = 0.2  # the ratio may gain within [1 - clip, 1 + clip]
    value_clip: float = 0.2  # the same for the value function, in reward units
    value_coefficient: float = 0.1  # weight of the value loss
    max_grad_norm: float = 1.0
    target_kl: float | None = None  # ends an update's passes once the policy moved so far from its start, nats a token
    stop_kl: float | None = None  # ends the run once KL to the reference reaches this (nats a response)
    missing_eos_penalty: float = 1.0  # off the score of a response that never ends
    whiten_scores: bool = False  # scale the scores of each batch to mean 0 and variance 1 (Llama 2, sec. 3.4.2)
    max_new_tokens: int | None = None  # None: the profile's max_response_tokens
    temperature: float = 1.0  # of the policy, in sampling and in all its log-probabilities
    seed: int = 0
    inspect: int = 0  # rollouts of each update whose tokens the record tells, see `inspected`
    watch: int = 0  # prompts of the set, its first, whose greedy completions some records show
    watch_every: int = 5  # updates from one such record to the next, after the first and before the last

    def __post_init__(self) -> None:
        counts = ("updates", "batch_size", "minibatch_size", "epochs", "watch_every")
        positive = ("learning_rate", "clip", "value_clip", "max_grad_norm", "temperature")
        optional = ("microbatch_size", "target_kl", "kl_target", "max_new_tokens")
        problems = _no_numbers(self, whole={*counts, "seed", "inspect", "watch"}, optional={*optional, "stop_kl"})
        if problems:
            raise LabError(f"PPO cannot be trained with these settings: {'; '.join(problems)}")
        if not 0 <= self.seed < 2**32:
            problems.append(f"seed is {self.seed}: from 0 to {2**32 - 1}")
        problems += [f"{name} is {getattr(self, name)}: at least 1" for name in counts if getattr(self, name) < 1]
        problems += [f"{name} is {getattr(self, name)}: above 0" for name in positive if not getattr(self, name) > 0]
        given = [name for name in optional if getattr(self, name) is not None]
        problems += [
            f"{name} is {getattr(self, name)}: above 0, or None" for name in given if not getattr(self, name) > 0
        ]
        problems += [
            f"{name} is {value}: from 0 to 1"
            for name in ("gamma", "lam")
            if not 0 <= (value := getattr(self, name)) <= 1
        ]
        if not self.beta >= 0:
            problems.append(f"beta is {self.beta}: 0 or more")
        if not problems and self.batch_size % min(self.batch_size, self.minibatch_size):
            problems.append(f"batch_size {self.batch_size} is no multiple of minibatch_size {self.minibatch_size}")
        if problems:
            raise LabError(f"PPO cannot be trained with these settings: {'; '.join(problems)}")

    @classmethod
    def of(cls, profile: Profile, **changes) -> "PPOConfig":
        """The settings to begin with for a profile: the defaults for the tiny model, smaller steps for a large one."""
        if profile.needs_gpu:
            large = {"updates": 200, "minibatch_size": 8, "microbatch_size": 4, "learning_rate": 1e-5, "epochs": 4}
            changes = large | changes
        return cls(**changes)


@dataclass(frozen=True)
class Formulas:
    """The mathematics of an update, to be replaced by one's own functions with the signatures of `objectives`."""

    kl_penalised_rewards: Callable[..., Tensor] = kl_penalised_rewards
    gae: Callable[..., tuple[Tensor, Tensor]] = gae
    masked_whiten: Callable[..., Tensor] = masked_whiten
    policy_loss: Callable[..., Tensor] = clipped_policy_loss
    value_loss: Callable[..., Tensor] = clipped_value_loss


@dataclass(frozen=True)
class Rollout:
    """A batch of sampled responses and all that one PPO update needs to know of them.

    Shapes: `prompt_ids` (batch, prompt) padded on the left; `scores` (batch,); the rest (batch, response), padded on
    the right, `mask` true at real tokens with </s>. `scores` hold the missing-EOS penalty, `rewards` the KL penalty
    too.
    """

    prompts: list[str]
    completions: list[str]
    prompt_ids: Tensor
    response_ids: Tensor
    mask: Tensor
    scores: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    rewards: Tensor
    advantages: Tensor
    returns: Tensor
    ended: Tensor

    @property
    def kl(self) -> Tensor:
        """Sampled KL of every response from the reference, in nats: (batch,)."""
        return (kl_k1(self.logprobs, self.ref_logprobs) * self.mask).sum(1)


def _policy_outputs(shared: SharedBase, hidden: Tensor, response_ids: Tensor, temperature: float):
    """Log-probabilities, values and entropy at every response token, from the policy's states that predict them."""
    logits = shared.logits(hidden) / temperature
    with torch.no_grad():
        entropy = entropy_from_logits(logits)
    return response_logprobs(logits, response_ids), shared.values(hidden), entropy


def microbatches(prompts: Tensor, responses: Tensor, size: int | None) -> Iterator[tuple[Tensor, int]]:
    """Rows of like length together, in parts of `size` (None: all): their indices, and the width of the responses that
    holds all their tokens. prompts, responses: masks, (batch, length) each."""
    lengths = prompts.sum(1) + responses.sum(1)
    for index in lengths.argsort(stable=True).split(size or max(1, len(lengths))):
        if not len(index):
            return
        yield index, int(responses[index].sum(1).max())


def scores_of(reward: Reward, prompts: Sequence[str], completions: Sequence[str], device: torch.device) -> Tensor:
    """What `reward` gives for each completion, (batch,). Raises LabError unless that is one finite number each."""
    given = reward(prompts, completions)
    try:
        scores = torch.as_tensor(given, dtype=torch.float32, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LabError(f"the reward gave no numbers ({error}); it must give one for each completion") from None
    if scores.shape != (len(prompts),):
        raise LabError(
            f"the reward gave {tuple(scores.shape)} numbers for {len(prompts)} completions; it must give one each"
        )
    if not scores.isfinite().all():
        bad = int((~scores.isfinite()).nonzero()[0])
        raise LabError(
            f"the reward of a completion is {scores[bad].item()}, not a finite number; its prompt: {prompts[bad]!r}"
        )
    return scores


@dataclass(frozen=True)
class Response:
    """One sampled response: its tokens with </s>, text and score, and what three roles say of each token.

    The roles' lists may be longer than the response; what stands there means nothing.
    """

    ids: list[int]
    completion: str
    score: float
    logprobs: list[float]
    ref_logprobs: list[float]
    values: list[float]


@torch.no_grad()
def sample_responses(
    shared: SharedBase, prompts: Sequence[str], uniforms: Tensor, reward: Reward, config: PPOConfig
) -> list[Response]:
    """A response to each prompt from the policy, scored. uniforms: (prompts, longest response), as for `shared.sample`.

    Raises LabError if the reward gives not one finite number for each response.
    """
    if not prompts:
        return []
    prompt_ids = pad_left(encode_prompts(shared.profile, shared.tokenizer, prompts), shared.pad_id, shared.device)
    response_ids, states = shared.sample(prompt_ids, uniforms.to(shared.device), temperature=config.temperature)
    mask = response_mask(response_ids, shared.eos_id)
    response_ids = response_ids.masked_fill(~mask, shared.pad_id)
    completions = shared.tokenizer.batch_decode(response_ids, skip_special_tokens=True)
    scores = scores_of(reward, prompts, completions, shared.device)
    logprobs, ref_logprobs, values = (torch.zeros(mask.shape, device=shared.device) for _ in range(3))
    # In 16 bits a pass with a cache rounds otherwise than one without, and the first ratios would not be 1.
    exact = states.dtype == torch.float32
    for index, width in microbatches(prompt_ids != shared.pad_id, mask, config.microbatch_size):
        part = prompt_ids[index], response_ids[index, :width]
        hidden = states[index, :width] if exact else shared.response_states(*part)
        logprobs[index, :width], values[index, :width], _ = _policy_outputs(shared, hidden, part[1], config.temperature)
        ref_logprobs[index, :width] = shared.response_logprobs(*part, REFERENCE, config.temperature)
    ids = [row[real].tolist() for row, real in zip(response_ids, mask, strict=True)]
    columns = ids, completions, scores.tolist(), logprobs.tolist(), ref_logprobs.tolist(), values.tolist()
    return list(map(Response, *columns))


@torch.no_grad()
def roll_out(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward,
    config: PPOConfig,
    formulas: Formulas = Formulas(),
    team: Team = ALONE,
) -> Rollout:
    """Sample a response to each prompt from the policy, score it, and work out rewards and advantages.

    team: does it in shares; the rollout is whole on each of its processes. Raises LabError if the reward gives not one
    finite number for each response.
    """
    uniforms = torch.rand(len(prompts), config.max_new_tokens or shared.profile.max_response_tokens)
    responses = team.gathered(sample_responses(shared, team.share(prompts), team.share(uniforms), reward, config))
    prompt_ids = pad_left(encode_prompts(shared.profile, shared.tokenizer, prompts), shared.pad_id, shared.device)
    response_ids, mask = pad_right([r.ids for r in responses], shared.pad_id, shared.device)
    mask = mask.bool()
    logprobs, ref_logprobs, values = (
        _of_width(mask.shape[1], [getattr(r, name) for r in responses]).to(shared.device)
        for name in ("logprobs", "ref_logprobs", "values")
    )
    ended = (response_ids == shared.eos_id).any(1)
    scores = torch.tensor([r.score for r in responses], device=shared.device)
    scores = scores - config.missing_eos_penalty * (~ended).float()
    if config.whiten_scores:
        scores = masked_whiten(scores, torch.ones_like(scores, dtype=torch.bool))
    rewards = formulas.kl_penalised_rewards(scores, logprobs, ref_logprobs, mask, config.beta)
    advantages, returns = formulas.gae(rewards, values, mask, config.gamma, config.lam)
    return Rollout(
        list(prompts),
        [r.completion for r in responses],
        prompt_ids,
        response_ids,
        mask,
        scores,
        logprobs,
        ref_logprobs,
        values,
        rewards,
        formulas.masked_whiten(advantages, mask),
        returns,
        ended,
    )


def _of_width(width: int, rows: Sequence[Sequence[float]]) -> Tensor:
    """Rows of any length as one tensor, (rows, width), cut or filled with 0."""
    return torch.tensor([[*row[:width], *[0.0] * (width - len(row))] for row in rows])


def adapted(beta: float, kl: float, target: float) -> float:
    """The next KL coefficient: up to 2 % more where KL (nats a response) was above the target, or less where below.

    beta * (1 + 0.1 * e), with e = (kl - target) / target cut to [-0.2, 0.2] (Ziegler et al. 2019, sec. 2.2).
    """
    return beta * (1 + 0.1 * min(max(kl / target - 1, -0.2), 0.2))


class PPO:
    """PPO on one SharedBase: `update(prompts)` does one update and returns its record, the same on a whole team."""

    def __init__(
        self,
        shared: SharedBase,
        reward: Reward,
        config: PPOConfig,
        formulas: Formulas = Formulas(),
        team: Team = ALONE,
    ):
        self.shared, self.reward, self.config, self.formulas, self.team = shared, reward, config, formulas, team
        adamw = PagedAdamW8bit if shared.profile.paged_optimizer else torch.optim.AdamW
        self.optimizer = adamw(shared.trainable_parameters(), lr=config.learning_rate, weight_decay=0.0)
        self.optimizer.zero_grad(set_to_none=True)  # what an interrupted run left
        self.step = 0
        self.kl: float | None = None  # of the last rollout, nats a response
        self.beta = config.beta  # of the next rollout

    def update(self, prompts: Sequence[str]) -> dict:
        """One rollout and `epochs` passes over it. The record's rewards are in units of the (normalised) reward model,
        KL in nats a response, the rest as named; with `config.inspect`, "tokens" holds what `inspected` returns."""
        started = time.perf_counter()
        beta = self.beta
        rollout = roll_out(self.shared, prompts, self.reward, replace(self.config, beta=beta), self.formulas, self.team)
        rolled_out = time.perf_counter()
        losses = self._optimise(rollout)
        self.step += 1
        self.kl = kl = rollout.kl.mean().item()
        if self.config.kl_target is not None:
            self.beta = adapted(beta, kl, self.config.kl_target)
        score = rollout.scores.mean().item()
        residual = masked_mean((rollout.returns - rollout.values) ** 2, rollout.mask)
        spread = masked_mean((rollout.returns - masked_mean(rollout.returns, rollout.mask)) ** 2, rollout.mask)
        tokens = {"tokens": self._inspect(rollout)} if self.config.inspect else {}
        return {
            "step": self.step,
            "reward": score,
            "kl": kl,
            "beta": beta,
            "objective": score - beta * kl,
            **losses,
            "explained_variance": (1 - residual / spread.clamp(min=1e-8)).item(),
            "response_tokens": rollout.mask.sum(1).float().mean().item(),
            "ended": rollout.ended.float().mean().item(),
            "seconds_rollout": rolled_out - started,
            "seconds": time.perf_counter() - started,
            "samples": [
                {"prompt": p, "completion": c, "reward": s}
                for p, c, s in zip(
                    rollout.prompts[:4], rollout.completions[:4], rollout.scores[:4].tolist(), strict=True
                )
            ],
            **tokens,
        }

    def state(self) -> State:
        """What a checkpoint keeps of the training."""
        tensors, optimizer = checkpoints.optimizer_state(self.optimizer)
        tensors |= checkpoints.weights(self.shared) | checkpoints.random_state()
        return State(self.step, tensors, {"optimizer": optimizer, "kl": self.kl, "beta": self.beta})

    def load_state(self, state: State) -> None:
        """Go on from what `state` returned."""
        checkpoints.load_weights(self.shared, state)
        checkpoints.load_optimizer(self.optimizer, state.tensors, state.facts["optimizer"])
        checkpoints.set_random_state(state.tensors)
        self.step, self.kl, self.beta = state.step, state.facts["kl"], state.facts["beta"]

    @torch.no_grad()
    def _inspect(self, rollout: Rollout) -> list[dict]:
        """The first responses of a rollout, token by token, with what the update made of them."""
        config, n = self.config, self.config.inspect
        prompt_ids, response_ids = rollout.prompt_ids[:n], rollout.response_ids[:n]
        hidden = self.shared.response_states(prompt_ids, response_ids)
        new, _, _ = _policy_outputs(self.shared, hidden, response_ids, config.temperature)
        return [inspected(rollout, row, new[row], self.shared.tokenizer, config.clip) for row in range(len(new))]

    def _optimise(self, rollout: Rollout) -> dict[str, float]:
        """The clipped gradient steps of one update; returns the means of what was seen on the way."""
        config, seen = self.config, []
        for _ in range(config.epochs):
            order = torch.randperm(len(rollout.prompts), device=rollout.mask.device)
            for index in order.split(config.minibatch_size):
                measures = self._backward(rollout, index)
                parameters = self.shared.trainable_parameters()
                self.team.sum_gradients(parameters)
                norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                seen.append(measures | {"gradient_norm": norm.item()})
            if config.target_kl is not None and seen[-1]["approx_kl"] > config.target_kl:
                break
        return {name: sum(m[name] for m in seen) / len(seen) for name in seen[0]}

    def _backward(self, rollout: Rollout, index: Tensor) -> dict[str, float]:
        """The gradient of PPO's loss on this process's share of the rollouts at `index`, a microbatch at a time.

        All losses are means over tokens, so the whole's is that of the parts, each weighted by its share of the tokens.
        Returns what was seen of all of them.
        """
        tokens = rollout.mask[index].sum()
        seen: dict[str, float] = {}
        index = self.team.share(index)
        prompts = rollout.prompt_ids[index] != self.shared.pad_id
        for part, width in microbatches(prompts, rollout.mask[index], self.config.microbatch_size):
            loss, measures = self._loss(rollout, index[part], width)
            share = rollout.mask[index[part]].sum() / tokens
            (share * loss).backward()
            seen = {name: seen.get(name, 0.0) + share.item() * value for name, value in measures.items()}
        return self.team.summed(seen)

    def _loss(self, rollout: Rollout, index: Tensor, width: int) -> tuple[Tensor, dict[str, float]]:
        """PPO's loss on the rollouts at `index`: clipped policy loss plus the weighted clipped value loss.

        width: the responses' columns from `width` on hold padding alone.
        """
        config = self.config
        response_ids, mask = rollout.response_ids[index, :width], rollout.mask[index, :width]
        hidden = self.shared.response_states(rollout.prompt_ids[index], response_ids)
        logprobs, values, entropy = _policy_outputs(self.shared, hidden, response_ids, config.temperature)
        old_logprobs = rollout.logprobs[index, :width]
        advantages, returns = rollout.advantages[index, :width], rollout.returns[index, :width]
        old_values = rollout.values[index, :width]
        policy_loss = self.formulas.policy_loss(logprobs, old_logprobs, advantages, mask, config.clip)
        value_loss = self.formulas.value_loss(values, old_values, returns, mask, config.value_clip)
        with torch.no_grad():
            log_ratio = logprobs - old_logprobs
            measures = {
                "policy_loss": policy_loss.item(),
                "value_loss": value_loss.item(),
                "entropy": masked_mean(entropy, mask).item(),
                "clip_fraction": masked_mean(((log_ratio.exp() - 1).abs() > config.clip).float(), mask).item(),
                "approx_kl": masked_mean(0.5 * log_ratio**2, mask).item(),
            }
        return policy_loss + config.value_coefficient * value_loss, measures


def train_ppo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig = PPOConfig(),
    *,
    formulas: Formulas = Formulas(),
    checkpoint: Checkpoint | None = None,
    team: Team = ALONE,
) -> Iterator[dict]:
    """Train the policy of `shared` on `prompts`, a record an update; the policy changes in place.

    `reward` is any function of (prompts, completions); None takes the reward adapter that `shared` was loaded with.
    `formulas`: the losses and so on, see there. `checkpoint`: where to keep the run's state, and to go on from; delete
    it when the policy is stored (`checkpoints.resumable` says what that adds to the records). `team`: the processes
    that share the work; all of them yield the same records.
    Yields what `PPO.update` returns. With `config.watch`, "samples" are not of the rollout but of the same prompts at
    the first, every `watch_every`-th and the last update, and empty at the others: prompt, before (the reference's
    greedy completion), completion (the policy's, now), before_reward and reward (without the missing-EOS penalty).
    The caller may stop at any record. Raises LabError for prompts as `check_prompts`.
    """
    check_prompts(shared, prompts)
    torch.manual_seed(config.seed)
    ppo = PPO(shared, reward or shared.reward, config, formulas, team)
    if checkpoint:
        checkpoint = replace(checkpoint, writes=team.leads)

    def start(state: State | None) -> Iterator[dict]:
        watch = _watcher(ppo, prompts[: config.watch])
        if state:
            ppo.load_state(state)
        for batch in islice(_batches(prompts, config), ppo.step, config.updates):
            if None not in (config.stop_kl, ppo.kl) and ppo.kl >= config.stop_kl:
                return
            record = ppo.update(batch)
            if config.watch:
                due = ppo.step in (1, config.updates) or ppo.step % config.watch_every == 0
                record["samples"] = watch() if due else []
            yield record

    yield from checkpoints.resumable(start, ppo.state, checkpoint, checkpoint and _fingerprint(ppo, prompts, reward))


def check_prompts(shared: SharedBase, prompts: Sequence[str]) -> None:
    """Raises LabError for an empty prompt set, many copies of one prompt, or a prompt over the profile's limit."""
    if not prompts:
        raise LabError("the prompt set is empty: the policy needs prompts to write completions for")
    if len(prompts) > 1 and len(set(prompts)) == 1:
        raise LabError(f"all {len(prompts)} prompts are the same text; give different ones")
    limit = shared.profile.max_prompt_tokens
    for number, ids in enumerate(shared.tokenizer(list(prompts))["input_ids"]):
        if len(ids) > limit:
            raise LabError(f"prompt {number} has {len(ids)} tokens, and the limit is {limit}; shorten or remove it")


def _batches(prompts: Sequence[str], config: PPOConfig) -> Iterator[list[str]]:
    """The prompts of each update: every prompt once, then all again in a new order."""
    rng = random.Random(config.seed)
    queue: list[str] = []
    while True:
        while len(queue) < config.batch_size:
            queue += rng.sample(list(prompts), len(prompts))
        yield queue[: config.batch_size]
        queue = queue[config.batch_size :]


def _watcher(ppo: PPO, prompts: Sequence[str]) -> Callable[[], list[dict]]:
    """A function that has the policy of that moment complete `prompts`; it draws nothing from the training's random
    generators."""
    shared, length = ppo.shared, ppo.config.max_new_tokens

    def greedy(role: str) -> tuple[list[str], list[float]]:
        if not prompts:
            return [], []
        with torch.random.fork_rng():
            texts = shared.complete(prompts, role, max_new_tokens=length, do_sample=False)
            return texts, scores_of(ppo.reward, prompts, texts, shared.device).tolist()

    before = greedy(REFERENCE)

    def watch() -> list[dict]:
        names = ("prompt", "before", "before_reward", "completion", "reward")
        return [dict(zip(names, row, strict=True)) for row in zip(prompts, *before, *greedy(POLICY), strict=True)]

    return watch


def _fingerprint(ppo: PPO, prompts: Sequence[str], reward: Reward | None) -> checkpoints.Fingerprint:
    """What decides a run's records. The policy's first weights are not in it: they are the reference's, or, where a run
    was stopped and goes on in the same process, its last ones, which the checkpoint replaces."""
    shared = ppo.shared
    return {
        "trainer": "PPO",
        **asdict(ppo.config),
        "profile": checkpoints.profile_digest(shared.profile),
        "base model, SFT or reward model": checkpoints.frozen_digest(shared),
        "reward scale": checkpoints.digest([shared.score_mean, shared.score_std]),
        "prompts": checkpoints.digest(list(prompts)),
        "reward": checkpoints.code_digest(reward) if reward else "reward model",
        **{name: checkpoints.code_digest(formula) for name, formula in vars(ppo.formulas).items()},
    }
