"""RLHF Labs: the package that the notebooks are built on.

Its rooms, from the ground up, and the rule that each imports only from those below it, are in CONTRIBUTING.md.

Importing this package imports nothing heavy. It only sets defaults that libraries read when they are imported, so that
nothing leaves the machine and kernels share its cores; a value that is already in the environment wins. Whatever starts
kernels or commands imports it first, and what it starts inherits the environment.
"""

import ctypes
import logging
import os
import sys
from contextlib import suppress

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else a fork after tokenizing warns or hangs
# A thread of torch that has nothing to do spins for a while before it sleeps, and where two kernels share cores each
# takes what the other needs. Here it spins a little only. Measured on two cores, twelve steps of lab 02's training:
# alone 6.7 s by default and 6.8 s so, two kernels at once 28.7 s and 12.6 s (whole labs: docs/class.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # every OpenMP
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # GNU's, which torch has on Linux: this number instead

# On CPUs with AVX512-BF16 bitsandbytes says that a kernel is missing which these labs never use (`models.loading`).
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

if sys.platform == "linux":
    # glibc gives every large block back to the kernel when it is freed, and training on a CPU then spends much of its
    # time on fresh pages. Keep them instead: M_MMAP_MAX = 0, M_TRIM_THRESHOLD = 2 GiB (malloc.h; absent in musl).
    # Measured on two cores, 25 steps each, without and with: SFT 0.57 and 0.42 s a step, reward model 0.89 and 0.74 s.
    with suppress(OSError, AttributeError):
        _libc = ctypes.CDLL("libc.so.6")
        _libc.mallopt(-4, 0)
        _libc.mallopt(-1, 2**31 - 1)

__version__ = "0.1.0"
