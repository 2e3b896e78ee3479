"""Pictures of the labs: what RLHF does, drawn; each shows in a notebook, and is written to docs/pictures/ as a file.

    from helpers.views import pictures
    pictures.stages()

`python -m helpers.views.pictures` writes the files anew.
"""

from .drawing import Picture
from .recorded import run
from .training import dpo_beside_ppo, four_roles, ppo_update, stages
from .world import small_world

ALL = (stages, four_roles, ppo_update, small_world, dpo_beside_ppo, run)

__all__ = ["ALL", "Picture", "dpo_beside_ppo", "four_roles", "ppo_update", "run", "small_world", "stages"]
