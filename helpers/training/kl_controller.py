"""The KL coefficient from one rollout to the next: fixed, or adapted to a target."""

from __future__ import annotations


class AdaptiveKLController:
    """Holds `beta`, the KL coefficient of the next rollout; with a target it moves beta so that KL comes near it.

    Args:
        beta: the first KL coefficient, reward units a nat.
        target: KL in nats a response; None keeps beta as it is.
    """

    def __init__(self, beta: float, target: float | None = None) -> None:
        self.beta, self.target = beta, target

    def update(self, kl: float) -> None:
        """Raise beta by up to 2 % if KL (nats a response) was above the target, lower it if it was below.

        beta * (1 + 0.1 * e), with e = (kl - target) / target cut to [-0.2, 0.2] (Ziegler et al. 2019, sec. 2.2).
        """
        if self.target is not None:
            self.beta *= 1 + 0.1 * min(max(kl / self.target - 1, -0.2), 0.2)
