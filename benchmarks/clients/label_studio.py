"""Label Studio: projects, tasks and exports through its HTTP API."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .checking import Checks, convert
from .people import FIRST, Span, Work, work_on
from .serving import API, HOST, free_port, running, wait_for
from .texts import suggest

REQUIREMENTS = ("label-studio==1.23.2",)
_PEOPLE = ("ann@example.org", "ben@example.org")
_PASSWORD = "only-for-this-run"
_TOKEN = "0123456789abcdef0123456789abcdef01234567"
_CSV = ("CSV", "TSV")
_SCORE, _ID = "tasks:predictions_score", "tasks:id"
_TABS = {_SCORE: "Least sure first", _ID: "As imported"}
# Columns that would only take place, in pictures too.
_UNUSED = (
    *("inner_id", "completed_at", "annotators", "annotations_results", "annotations_ids"),
    *("predictions_model_versions", "predictions_results", "file_upload", "storage_filename"),
    *("created_at", "updated_at", "updated_by", "avg_lead_time", "draft_exists"),
    *("data.source", "data.record", "data.meta"),
)
_HIDDEN = {view: [f"tasks:{each}" for each in _UNUSED] for view in ("explore", "labeling")}


def run(
    model: str,
    python: Path,
    folder: Path,
    log: Path,
    checks: Checks,
    *,
    seconds: int,
    pictures: Path | None,
) -> None:
    """Check the whole way, from suggestions to converted exports.

    Args:
        model: A trained pipeline.
        python: The Python that has Label Studio.
        folder: Where everything is written.
        log: The file for the server's log.
        checks: What was checked.
        seconds: How long the server may take to start; it makes its database first.
        pictures: The folder for pictures; None for none.
    """
    output, suggestions = suggest(model, folder, "label-studio")
    port = free_port()
    base = f"http://{HOST}:{port}"
    options = {"port": str(port), "data-dir": str(folder / "data"), "internal-host": HOST}
    options |= {"username": _PEOPLE[0], "password": _PASSWORD, "user-token": _TOKEN}
    arguments = [each for name, value in options.items() for each in (f"--{name}", value)]
    flags = ["--no-browser", "--enable-legacy-api-token"]
    server = [str(python), str(python.with_name("label-studio")), "start", *flags, *arguments]
    # Nothing leaves this machine.
    silent = {"LATEST_VERSION_CHECK": "0", "COLLECT_ANALYTICS": "0", "SENTRY_DSN": ""}
    silent |= {"FRONTEND_SENTRY_DSN": "", "SECRET_KEY": "only-for-this-run"}
    with running(server, log, silent, folder) as process:
        wait_for(f"{base}/health", process, seconds)
        ann = API(base, {"Authorization": f"Token {_TOKEN}"})
        print(f"Label Studio {ann('GET', '/api/version')['release']}")
        people = [ann, _second(base)]
        project = _project(ann, output)
        ordered = _tasks(ann, project, _SCORE)
        works = _imported(ordered, output, suggestions, checks)
        if pictures is not None:
            from .pictures import label_studio

            task = next(each["id"] for each in ordered if len(_regions(each)) > 1)
            label_studio(base, project, task, (_PEOPLE[0], _PASSWORD), pictures)
        _annotate(people, project, works)
        _exports(ann, project, works, folder, checks)


def _second(base: str) -> API:
    """Sign up as a second annotator, as a browser does."""
    ben = API(base)
    ben("GET", "/user/signup/")
    form = {"email": _PEOPLE[1], "password": _PASSWORD}
    form["csrfmiddlewaretoken"] = ben.session.cookies["csrftoken"] or ""
    ben("POST", "/user/signup/", data=form)
    ben.session.headers["X-CSRFToken"] = ben.session.cookies["csrftoken"] or ""
    return ben


def _project(ann: API, output: Path) -> int:
    """Set up a project with our labelling configuration."""
    config = (output / "label-studio.xml").read_text(encoding="utf-8")
    settings = {"title": "places", "label_config": config, "maximum_annotations": 2}
    project: int = ann("POST", "/api/projects", json=settings)["id"]
    for path in sorted(output.glob("part-*.json")):
        with path.open("rb") as file:
            ann("POST", f"/api/projects/{project}/import", files={path.name: file})
    return project


def _tasks(ann: API, project: int, order: str) -> list[dict[str, Any]]:
    """List tasks as a tab of the Data Manager shows them, which is left for people to see."""
    data = {"title": _TABS[order], "ordering": [order], "hiddenColumns": _HIDDEN}
    view = ann("POST", "/api/dm/views", json={"project": project, "data": data})["id"]
    path = f"/api/tasks?view={view}&page_size=1000&fields=all"
    found: list[dict[str, Any]] = ann("GET", path)["tasks"]
    return found


def _regions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is suggested in a task."""
    [prediction] = task["predictions"]
    found: list[dict[str, Any]] = prediction["result"]
    return found


def _imported(
    ordered: Sequence[dict[str, Any]],
    output: Path,
    suggestions: Sequence[tuple[str, list[Span]]],
    checks: Checks,
) -> list[Work]:
    """Check what the tool made of the suggestions, and decide what people do with them."""
    shown = {
        task["data"]["text"]: [
            (value["start"], value["end"], value["labels"][0])
            for value in (region["value"] for region in _regions(task))
        ]
        for task in ordered
    }
    checks("import: every text with its suggestions", shown, dict(suggestions))
    written = [task for path in output.glob("part-*.json") for task in json.loads(path.read_text())]
    scores = {task["data"]["text"]: task["predictions"][0].get("score") for task in written}
    checks(
        "import: the score of every task",
        {task["data"]["text"]: task["predictions_score"] for task in ordered},
        scores,
    )
    known = [task["predictions_score"] for task in ordered]
    checks("sorting by score: every task has one", None in known, False)
    known = [score for score in known if score is not None]
    checks("sorting by score: the least sure task first", known, sorted(known))
    confidences = [region.get("score") is not None for task in ordered for region in _regions(task)]
    checks("import: a confidence for every region", all(confidences))
    return work_on(suggestions, sorted({span[2] for _, own in suggestions for span in own}))


def _annotate(people: Sequence[API], project: int, works: Sequence[Work]) -> None:
    """Submit what people answer; regions that were suggested stay as they are."""
    tasks = {task["data"]["text"]: task for task in _tasks(people[FIRST], project, _ID)}
    for work in works:
        task = tasks[work.text]
        [prediction] = task["predictions"]
        for person, spans in work.answers.items():
            result = [] if spans is None else _result(work, spans, prediction["result"])
            answer = {"result": result, "was_cancelled": spans is None, "lead_time": 1.5}
            answer["parent_prediction"] = prediction["id"]
            people[person]("POST", f"/api/tasks/{task['id']}/annotations/", json=answer)


def _result(work: Work, spans: Sequence[Span], suggested: Sequence[Any]) -> list[dict[str, Any]]:
    found = []
    for start, end, label in spans:
        value = {"start": start, "end": end, "text": work.text[start:end], "labels": [label]}
        same = next((each for each in suggested if each["value"] == value), None)
        own = {"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"}
        found.append(same or {"id": f"r{start}", **own, "value": value})
    return found


def _exports(ann: API, project: int, works: Sequence[Work], folder: Path, checks: Checks) -> None:
    """Convert every export that can hold annotated text."""
    path = f"/api/projects/{project}/export"
    offered = [each["name"] for each in ann("GET", f"{path}/formats") if not each.get("disabled")]
    print(f"Exports: {', '.join(offered)}")
    for name, suffix, query in (
        ("JSON", "json", ""),
        ("JSON", "json", "&download_all_tasks=true"),
        ("JSON_MIN", "json", ""),
        ("CONLL2003", "conll", ""),
        *((name, name.lower(), "") for name in _CSV),
    ):
        content = ann("GET", f"{path}?exportType={name}{query}")
        # Its type is "application/.json", so that it comes as bytes.
        source = folder / f"{name}{'-all' if query else ''}.{suffix}"
        source.write_bytes(content)
        docs = convert(source)
        if name in _CSV:
            checks(f"{source.name}: refused", docs is None)
        elif docs is None:
            checks(f"{source.name}: converted", False)
        elif name == "CONLL2003":
            _columns(source.name, docs, works, checks)
        else:
            checks.converted(source.name, docs, works)


def _columns(what: str, docs: Sequence[Any], works: Sequence[Work], checks: Checks) -> None:
    """Check labels alone: this export has tokens of its own, and none of the whitespace."""
    received = sorted(sorted(ent.label_ for ent in doc.ents) for doc in docs)
    answers = [spans for each in works for spans in each.answers.values() if spans is not None]
    expected = sorted(sorted(span[2] for span in spans) for spans in answers)
    checks(f"{what}: the same labels", received, expected)
