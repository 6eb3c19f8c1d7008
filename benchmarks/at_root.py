"""Run a module at the root of the repository: `python at_root.py MODULE ...`.

spaCy runs the commands of a project in the folder of its project.yml, which for the benchmarks is
this one. Their modules, the configs and the corpora are found from the root.
"""

import subprocess
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run `python -m` with the arguments at the root, and wait for it.

    Args:
        arguments: The module and its arguments.

    Returns:
        The exit status.
    """
    root = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-m", *arguments], cwd=root).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
