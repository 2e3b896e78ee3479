"""Write all pictures to docs/pictures/."""

from ...files import ROOT, atomic_write
from . import ALL

FOLDER = ROOT / "docs" / "pictures"


def main() -> None:
    """Write each picture as FOLDER/NAME.svg."""
    FOLDER.mkdir(exist_ok=True)
    for picture in (make() for make in ALL):
        atomic_write(FOLDER / f"{picture.name}.svg", picture.svg)


if __name__ == "__main__":
    main()
