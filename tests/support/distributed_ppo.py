"""What each process of a distributed run of PPO does: a run of CONFIG, in which process 1 may kill itself.

`accelerate launch` starts it (tests/training/test_distributed.py) with what `packed` made and the update after which
process 1 dies (0: it does not).
"""

import json
import os
import signal
import sys

from helpers.files import LabError
from helpers.models.shared_base import SharedBase
from helpers.training.checkpoints import Checkpoint
from helpers.training.distributed import Distributed
from helpers.training.ppo_config import PPOConfig
from helpers.training.train_ppo import train_ppo
from tests.support.shared_base import PROMPTS
from tests.support.training_runs import unpacked

CONFIG = PPOConfig(  # 7 rollouts, so that one process has more to do than the other
    updates=4,
    batch_size=7,
    minibatch_size=7,
    microbatch_size=3,
    max_new_tokens=8,
    learning_rate=5e-3,
    adaptive_kl_target=0.5,
)


def sums(shared):
    return [p.double().sum().item() for p in shared.trainable_parameters()]


def main() -> None:
    profile, adapters, folder = unpacked(sys.argv[1])
    distributed = Distributed.from_environment(cpu=True)
    shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    records = []
    try:
        checkpoint = Checkpoint(folder / "checkpoint", 1)
        for record in train_ppo(shared, PROMPTS, None, CONFIG, checkpoint=checkpoint, distributed=distributed):
            records.append(record)
            if distributed.rank == 1 and record["step"] == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
    except LabError as error:
        (folder / "error.txt").write_text(str(error))
        sys.exit(1)
    (folder / f"{distributed.rank}.json").write_text(json.dumps({"records": records, "weights": sums(shared)}))


if __name__ == "__main__":
    main()
