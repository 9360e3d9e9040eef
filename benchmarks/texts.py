"""The texts for measurements: files of the data directory, and Python's standard library."""

import argparse
import sysconfig
from pathlib import Path

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def shakespeare(data: Path) -> str:
    return read(data / "tinyshakespeare.txt")


def penn(data: Path, part: str = "train") -> str:
    """Character-level Penn Treebank, with each line stripped of spaces."""
    return "\n".join(line.strip(" ") for line in read(data / f"ptb.{part}.txt").split("\n"))


def molecules(data: Path) -> str:
    return read(data / "smiles_chembl22.txt")


def python(data: Path) -> str:
    """Python's standard library: its files concatenated in alphabetical order."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in root.rglob("*.py") if "site-packages" not in path.parts)
    texts = []
    for path in files:
        try:
            texts.append(read(path))
        except UnicodeDecodeError:
            continue  # a few declare another encoding
    return "".join(texts)


def data_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with an option for the data directory."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    return parser


def read(path: Path) -> str:
    with open(existing(path), encoding="utf-8", newline="") as file:
        return file.read()


def existing(path: Path) -> Path:
    """The path of a file that exists.

    Raises:
        SystemExit: it does not.
    """
    if not path.is_file():
        raise SystemExit(
            f"there is no {path.name} in {path.parent}; give its directory with --data"
        )
    return path


TEXTS = {"shakespeare": shakespeare, "penn": penn, "molecules": molecules, "python": python}
