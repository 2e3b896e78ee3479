"""Proximal policy optimization of a language model with a KL penalty, in plain sight.

One update: sample responses and score them, turn score and KL penalty into rewards per token, estimate advantages with
the value head (`rollouts`), then take a few clipped gradient steps (here). Begin to read at `PPO.update`; what it calls
follows in order. The mathematics is in `formulas.objectives`; the four roles (policy, reference, reward, value) share
one quantized base, see `models.shared_base`. `train_ppo` runs updates over a prompt set, with checkpoints.

Sources: Ziegler et al. 2019 and Stiennon et al. 2020 (the KL-penalized reward), Schulman et al. 2017 (PPO), Schulman
et al. 2016 (advantages), Ouyang et al. 2022 (InstructGPT).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from bitsandbytes.optim import PagedAdamW8bit
from torch import Tensor
from torch.optim import Optimizer

from ..formulas.objectives import masked_mean
from ..models.shared_base import SharedBase
from . import checkpoints
from .checkpoints import State
from .distributed import SINGLE_PROCESS, Distributed
from .inspection import explained_variance, first_samples, inspect_response
from .kl_controller import AdaptiveKLController
from .losses import Losses
from .ppo_config import PPOConfig
from .rewards import Reward
from .rollouts import Rollout, Tokens, microbatches, policy_outputs, roll_out


def adamw(shared: SharedBase, learning_rate: float) -> Optimizer:
    """The optimizer of the policy's adapter and the value head."""
    kind = PagedAdamW8bit if shared.profile.paged_optimizer else torch.optim.AdamW
    return kind(shared.trainable_parameters(), lr=learning_rate, weight_decay=0.0)


class PPO:
    """PPO on one SharedBase: `update(prompts)` does one update and returns its record, the same on every process.

    Attributes:
        step: updates done.
        kl: KL of the last rollout from the reference, nats a response; None before the first.
        kl_controller: holds the KL coefficient of the next rollout.
    """

    def __init__(
        self,
        shared: SharedBase,
        reward: Reward,
        config: PPOConfig,
        losses: Losses = Losses(),
        distributed: Distributed = SINGLE_PROCESS,
        tokens: Tokens = Tokens(),
        optimizer: Callable[[SharedBase, float], Optimizer] = adamw,
    ) -> None:
        self.shared, self.reward, self.config, self.losses = shared, reward, config, losses
        self.distributed, self.tokens = distributed, tokens
        self.optimizer = optimizer(shared, config.learning_rate)
        self.optimizer.zero_grad(set_to_none=True)  # what an interrupted run left
        self.step = 0
        self.kl: float | None = None
        self.kl_controller = AdaptiveKLController(config.beta, config.adaptive_kl_target)

    def update(self, prompts: Sequence[str]) -> dict:
        """One rollout and `epochs` passes over it.

        Returns:
            The record. Rewards are in units of the (normalized) reward model, KL in nats a response, the rest as
            named; with `config.inspect`, "tokens" holds what `inspect_response` returns.
        """
        with self.shared.trunk_memory.on():
            return self._update(prompts)

    def _update(self, prompts: Sequence[str]) -> dict:
        started = time.perf_counter()
        beta = self.kl_controller.beta
        config = replace(self.config, beta=beta)
        rollout = roll_out(self.shared, prompts, self.reward, config, self.losses, self.distributed, self.tokens)
        rolled_out = time.perf_counter()
        measures = self._optimize(rollout)
        self.step += 1
        self.kl = kl = rollout.kl.mean().item()
        self.kl_controller.update(kl)
        score = rollout.scores.mean().item()
        tokens = {"tokens": self._inspect(rollout)} if config.inspect else {}
        return {
            "step": self.step,
            "reward": score,
            "kl": kl,
            "beta": beta,
            "objective": score - beta * kl,
            **measures,
            "explained_variance": explained_variance(rollout),
            "response_tokens": rollout.mask.sum(1).float().mean().item(),
            "ended": rollout.ended.float().mean().item(),
            "seconds_rollout": rolled_out - started,
            "seconds": time.perf_counter() - started,
            "samples": first_samples(rollout),
            **tokens,
        }

    def _optimize(self, rollout: Rollout) -> dict[str, float]:
        """All gradient steps of one update; returns the means of what they measured."""
        config = self.config
        steps: list[dict[str, float]] = []
        for _ in range(config.epochs):
            order = torch.randperm(len(rollout.prompts), device=rollout.mask.device)
            for minibatch in order.split(config.minibatch_size):
                steps.append(self._step(rollout, minibatch))
            if config.target_kl is not None and steps[-1]["approx_kl"] > config.target_kl:
                break
        return {name: sum(measures[name] for measures in steps) / len(steps) for name in steps[0]}

    def _step(self, rollout: Rollout, minibatch: Tensor) -> dict[str, float]:
        """One gradient step on the rollouts whose indices are in `minibatch`; returns what was measured before it."""
        measures = self._backward(rollout, minibatch)
        parameters = self.shared.trainable_parameters()
        self.distributed.all_reduce_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return measures | {"gradient_norm": norm.item()}

    def _backward(self, rollout: Rollout, minibatch: Tensor) -> dict[str, float]:
        """The gradient of the loss on this process's share of the minibatch, a microbatch at a time.

        A loss is a mean over tokens or responses, so the whole's is that of its parts, each weighted by its share.
        Returns what was measured on the whole minibatch.
        """
        size = self.losses.size(rollout.mask[minibatch])
        rows = self.distributed.split(minibatch)
        prompt_mask = rollout.prompt_ids[rows] != self.shared.pad_id
        tokens = rollout.mask[minibatch].sum()
        totals: dict[str, float] = {}
        for index, width in microbatches(prompt_mask, rollout.mask[rows], self.config.microbatch_size):
            loss, measures = self._loss(rollout, rows[index], width)
            mask = rollout.mask[rows[index]]
            (self.losses.size(mask) / size * loss).backward()
            share = (mask.sum() / tokens).item()  # what is measured are means over tokens
            totals = {name: totals.get(name, 0.0) + share * value for name, value in measures.items()}
        return self.distributed.all_reduce(totals)

    def _loss(self, rollout: Rollout, index: Tensor, width: int) -> tuple[Tensor, dict[str, float]]:
        """PPO's loss on the rollouts at `index`: clipped policy loss plus the weighted clipped value loss.

        The responses' columns from `width` on hold padding alone. Returns the loss and what was measured.
        """
        config = self.config
        response_ids, mask = rollout.response_ids[index, :width], rollout.mask[index, :width]
        hidden = self.shared.response_states(rollout.prompt_ids[index], response_ids)
        logprobs, values, entropy = policy_outputs(self.shared, hidden, response_ids, config.temperature)
        old_logprobs, old_values = rollout.logprobs[index, :width], rollout.values[index, :width]
        advantages, returns = rollout.advantages[index, :width], rollout.returns[index, :width]
        policy_loss = self.losses.policy_loss(logprobs, old_logprobs, advantages, mask, config.clip)
        value_loss = self.losses.value_loss(values, old_values, returns, mask, config.value_clip)
        with torch.no_grad():
            log_ratio = logprobs - old_logprobs
            measures = {
                "policy_loss": policy_loss.item(),
                "value_loss": value_loss.item(),
                "entropy": masked_mean(entropy, mask).item(),
                "clip_fraction": masked_mean(((log_ratio.exp() - 1).abs() > config.clip).float(), mask).item(),
                "approx_kl": masked_mean(0.5 * log_ratio**2, mask).item(),
            }
        loss = policy_loss + config.value_coefficient * value_loss
        if self.losses.kl_loss is not None:
            loss = loss + config.beta * self.losses.kl_loss(logprobs, rollout.ref_logprobs[index, :width], mask)
        return loss, measures

    @torch.no_grad()
    def _inspect(self, rollout: Rollout) -> list[dict]:
        """The first responses of a rollout, token by token, with their log-probabilities after the update."""
        config, n = self.config, self.config.inspect
        prompt_ids, response_ids = rollout.prompt_ids[:n], rollout.response_ids[:n]
        hidden = self.shared.response_states(prompt_ids, response_ids)
        new, _, _ = policy_outputs(self.shared, hidden, response_ids, config.temperature)
        return [inspect_response(rollout, row, new[row], self.shared.tokenizer, config.clip) for row in range(len(new))]

    def state(self) -> State:
        """What a checkpoint keeps of the training."""
        facts = {"kl": self.kl, "beta": self.kl_controller.beta}
        return checkpoints.training_state(self.step, self.shared, self.optimizer, facts)

    def load_state(self, state: State) -> None:
        """Go on from what `state` returned."""
        checkpoints.load_training_state(state, self.shared, self.optimizer)
        self.step, self.kl, self.kl_controller.beta = state.step, state.facts["kl"], state.facts["beta"]
