"""Training output: spaCy's console table, with the scores per label under each row."""

import sys
from collections.abc import Callable
from typing import IO, Any

from spacy.language import Language
from spacy.training.loggers import console_logger_v3

LogStep = Callable[[dict[str, Any] | None], None]
Setup = Callable[..., tuple[LogStep, Callable[[], None]]]


def create_console_logger_v1(
    progress_bar: str | None = None,
    console_output: bool = True,
    output_file: str | None = None,
) -> Setup:
    """Create the logger; the settings are those of `spacy.ConsoleLogger.v3`.

    Each evaluation adds the loss on the dev set and, for each label, precision, recall and F.

    Args:
        progress_bar: "train" for a progress bar over all steps, "eval" for one up to the next
            evaluation, or None for no bar.
        console_output: Whether to print the scores to the console.
        output_file: A JSONL file to write the scores to as well.

    Returns:
        The logger.
    """
    setup_table = console_logger_v3(progress_bar, console_output, output_file)

    def setup(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        log_row, finalize = setup_table(nlp, stdout, stderr)

        def log_step(info: dict[str, Any] | None) -> None:
            log_row(info)
            if info is not None and console_output:
                for line in _details(info["other_scores"]):
                    print(f"{'':12}{line}", file=stdout, flush=True)

        return log_step, finalize

    return setup


def _details(scores: dict[str, Any]) -> list[str]:
    lines = []
    if scores.get("ents_loss") is not None:
        lines.append(f"dev loss {scores['ents_loss']:.3f} a doc")
    for label, prf in sorted((scores.get("ents_per_type") or {}).items()):
        values = "  ".join(f"{key.upper()} {100 * prf[key]:6.2f}" for key in "prf")
        lines.append(f"{label:<12}{values}")
    return lines
