"""What a fresh process needs for a pipeline; `measuring` runs the source of this module in one.

It imports nothing but what a user of the pipeline imports, so that nothing else is measured.
"""

import json
import sys
import time

_BATCH = 64  # docs


def main() -> None:
    """Load a pipeline, tag texts, and print the time and the memory that it took.

    The argument is the pipeline's folder; standard input has the texts, one JSON string per line.
    """
    import spacy

    nlp = spacy.load(sys.argv[1])
    ready, loaded = time.time(), _memory("VmRSS")
    texts = [json.loads(line) for line in sys.stdin]
    for _ in nlp.pipe(texts, batch_size=_BATCH):
        pass
    tagged, peak = _memory("VmRSS"), _memory("VmHWM")
    found = {"ready": ready, "loaded": loaded, "tagged": tagged, "peak": peak}
    print("\n" + json.dumps(found), flush=True)  # whatever was printed before


def _memory(name: str) -> int | None:
    """Return a field of /proc/self/status in bytes; None on systems without.

    `getrusage` has the peak too, but in a new process on Linux it is at first that of the parent.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return int(fields[name].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


if __name__ == "__main__":
    main()
