"""doccano: projects, examples and exports through its HTTP API."""

import io
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .checking import Checks, convert
from .people import FIRST, SECOND, Span, Work, work_on
from .serving import API, HOST, free_port, running, wait_for
from .texts import suggest

# The two after it: doccano asks for versions of pandas and environs that newer ones break.
REQUIREMENTS = ("doccano==1.8.4", "numpy<2", "marshmallow<4")
_PEOPLE = ("ann", "ben")
_PASSWORD = "only-for-this-run"
_PATIENCE = 120  # seconds for a task of its queue


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
        python: The Python that has doccano.
        folder: Where everything is written.
        log: The file for the servers' logs.
        checks: What was checked.
        seconds: How long the server may take to start; the database is made first.
        pictures: The folder for pictures; None for none.
    """
    output, suggestions = suggest(model, folder, "doccano")
    labels = sorted({span[2] for _, own in suggestions for span in own})
    with _served(python, folder, log, seconds) as base:
        ann = _user(base, _PEOPLE[FIRST])
        account = {"username": _PEOPLE[SECOND], "password1": _PASSWORD, "password2": _PASSWORD}
        number = ann("POST", "/users/create", json=account)["id"]
        people = [ann, _user(base, _PEOPLE[SECOND])]
        for shared in (True, False):
            print(f"A project in which annotators {'share' if shared else 'have their own'} spans")
            project = _project(ann, number, output, shared=shared)
            shown = _shown(ann, project)
            checks("import: every text with its suggestions", shown, dict(suggestions))
            works = work_on(suggestions, labels)
            if shared:
                works = [_alone(each) for each in works]
                if pictures is not None:
                    from .pictures import doccano

                    login = (_PEOPLE[FIRST], _PASSWORD)
                    rich = next(i for i, each in enumerate(works, 1) if len(each.suggested) > 1)
                    doccano(base, project, rich, login, pictures)
            else:
                checks(
                    "import: nothing for annotators who did not import",
                    _shown(people[1], project),
                    {text: [] for text, _ in suggestions},
                )
            _annotate(people, project, works)
            name = "shared" if shared else "own"
            exported = _exported(ann, project, folder / name)
            docs = convert(exported)
            if docs is None:
                checks(f"{name}: converted", False)
            else:
                checks.converted(name, docs, works)


@contextmanager
def _served(python: Path, folder: Path, log: Path, seconds: int) -> Iterator[str]:
    """Make a database and a user, and run the web server and the queue of tasks."""
    port, home = free_port(), folder / "home"
    home.mkdir()
    database = f"sqlite:///{home / 'db.sqlite3'}"
    env = {"DOCCANO_HOME": str(home), "MEDIA_ROOT": str(home / "media"), "DATABASE_URL": database}
    env |= {"STANDALONE": "True", "DJANGO_SETTINGS_MODULE": "config.settings.production"}
    tool = [str(python), str(python.with_name("doccano"))]
    account = ["--username", _PEOPLE[FIRST], "--password", _PASSWORD]
    for arguments in (["init"], ["createuser", *account]):
        with running([*tool, *arguments], log, env, folder) as process:
            if process.wait(seconds):
                raise RuntimeError(f"doccano {arguments[0]} failed.")
    # `doccano webserver` would listen to the whole network.
    gunicorn = [str(python), "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--threads", "4"]
    code = "import backend; print(backend.__path__[0])"
    find = folder / "backend.txt"
    with running([str(python), "-c", code], find, env, folder) as process:
        process.wait(seconds)
    backend = Path(find.read_text().strip())
    with (
        running([*gunicorn, "config.wsgi"], log, env, backend) as process,
        running([*tool, "task", "--concurrency", "1"], log, env, folder),
    ):
        base = f"http://{HOST}:{port}"
        wait_for(f"{base}/auth", process, seconds)
        yield base


def _user(base: str, name: str) -> API:
    """Log a user in."""
    api = API(f"{base}/v1")
    key = api("POST", "/auth/login/", json={"username": name, "password": _PASSWORD})["key"]
    api.session.cookies.clear()  # of two ways to log in, the token needs no protection from forgery
    api.session.headers["Authorization"] = f"Token {key}"
    return api


def _project(ann: API, ben: int, output: Path, *, shared: bool) -> int:
    """Set up a project with two annotators, and import the suggestions."""
    roles = {each["name"]: each["id"] for each in ann("GET", "/roles")}
    settings = {"project_type": "SequenceLabeling", "resourcetype": "SequenceLabelingProject"}
    settings |= {"name": "places", "description": "places"}
    project: int = ann(
        "POST", "/projects", json={**settings, "tags": [], "collaborative_annotation": shared}
    )["id"]
    member = {"user": ben, "role": roles["annotator"]}
    ann("POST", f"/projects/{project}/members", json=member)
    for path in sorted(output.glob("part-*.jsonl")):
        with path.open("rb") as file:
            upload = ann("POST", "/fp/process/", files={"filepond": (path.name, file)}).decode()
        columns = {"column_data": "text", "column_label": "label", "encoding": "utf_8"}
        wanted = {"format": "JSONL", "task": "SequenceLabeling", "uploadIds": [upload], **columns}
        found = _done(ann, ann("POST", f"/projects/{project}/upload", json=wanted)["task_id"])
        if found["error"]:
            raise RuntimeError(f"doccano did not import {path.name}: {found['error']}")
    return project


def _done(api: API, task: str) -> Any:
    """Wait for a task of the queue; return its result."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = api("GET", f"/tasks/status/{task}")
        if found["ready"]:
            if found["error"]:
                raise RuntimeError(f"doccano: {found['error']}")
            return found["result"]
        time.sleep(0.5)
    raise TimeoutError(f"doccano's task {task} took more than {_PATIENCE} seconds.")


def _examples(api: API, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api("GET", f"/projects/{project}/examples?limit=1000")["results"]
    return found


def _shown(api: API, project: int) -> dict[str, list[Span]]:
    """Read what a user sees in each text, in characters; doccano counts in UTF-16."""
    names = {each["id"]: each["text"] for each in api("GET", f"/projects/{project}/span-types")}
    shown = {}
    for example in _examples(api, project):
        units = example["text"].encode("utf-16-le")
        spans = api("GET", f"/projects/{project}/examples/{example['id']}/spans")
        shown[example["text"]] = sorted(
            (
                len(units[: 2 * span["start_offset"]].decode("utf-16-le")),
                len(units[: 2 * span["end_offset"]].decode("utf-16-le")),
                names[span["label"]],
            )
            for span in spans
        )
    return shown


def _alone(work: Work) -> Work:
    """Let the first annotator decide alone; there is no other opinion in a shared project."""
    answers = {person: spans for person, spans in work.answers.items() if person == FIRST}
    expected = answers.get(FIRST)
    return work._replace(answers=answers, expected=expected, missing=set())


def _annotate(people: Sequence[API], project: int, works: Sequence[Work]) -> None:
    """Change spans as people do, and mark texts as finished. What is rejected is left."""
    path = f"/projects/{project}"
    types = {each["text"]: each["id"] for each in people[FIRST]("GET", f"{path}/span-types")}
    numbers = {each["text"]: each["id"] for each in _examples(people[FIRST], project)}
    names = {number: name for name, number in types.items()}
    for work in works:
        example = f"{path}/examples/{numbers[work.text]}"
        for person, spans in work.answers.items():
            if spans is None:
                continue
            api = people[person]
            wanted = {_in_units(work.text, span) for span in spans}
            for own in api("GET", f"{example}/spans"):
                span = own["start_offset"], own["end_offset"], names[own["label"]]
                if span in wanted:
                    wanted.remove(span)
                else:
                    api("DELETE", f"{example}/spans/{own['id']}")
            for start, end, label in sorted(wanted):
                new = {"start_offset": start, "end_offset": end, "label": types[label]}
                api("POST", f"{example}/spans", json={**new, "prob": 0})
            api("POST", f"{example}/states", json={})


def _in_units(text: str, span: Span) -> Span:
    start, end = (len(text[:place].encode("utf-16-le")) // 2 for place in span[:2])
    return start, end, span[2]


def _exported(ann: API, project: int, folder: Path) -> Path:
    """Export what is finished, in the only format that doccano has; return the folder of it."""
    offered = [each["name"] for each in ann("GET", f"/projects/{project}/download-format")]
    print(f"Exports: {', '.join(offered)}")
    path = f"/projects/{project}/download"
    task = ann("POST", path, json={"format": "JSONL", "exportApproved": True})["task_id"]
    _done(ann, task)
    with zipfile.ZipFile(io.BytesIO(ann("GET", f"{path}?taskId={task}"))) as archive:
        archive.extractall(folder)
    for file in sorted(folder.iterdir()):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        print(f"    {file.name}: {len(rows)} examples with {', '.join(rows[0]) if rows else '-'}")
    return folder
