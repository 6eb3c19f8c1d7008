"""Pictures of the tools with our suggestions, for the documentation."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

_WIDTH, _HEIGHT = 1000, 520
_WAIT = 60_000  # milliseconds
_SETTLE = 2_500  # for what has no sign of its own that it is complete


@contextmanager
def _page() -> Iterator[Any]:
    """Open a browser of this machine."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.set_default_timeout(_WAIT)
        yield page
        browser.close()


def label_studio(base: str, project: int, task: int, login: tuple[str, str], folder: Path) -> None:
    """Take pictures of the tasks in the order of their scores, and of one of them.

    Args:
        base: The server.
        project: The project, whose first tab sorts by score.
        task: The task.
        login: Address and password.
        folder: The folder for the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _page() as page:
        page.goto(f"{base}/user/login/")
        page.fill("#email", login[0])
        page.fill("#password", login[1])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{base}/projects/{project}/data")
        page.get_by_text("Prediction score").first.wait_for()
        page.wait_for_timeout(_SETTLE)
        page.screenshot(path=folder / "annotation-label-studio-tasks.png")
        page.goto(f"{base}/projects/{project}/data?task={task}")
        page.get_by_role("button", name="Submit").first.wait_for()
        page.wait_for_timeout(_SETTLE)
        page.screenshot(path=folder / "annotation-label-studio.png")


def doccano(base: str, project: int, number: int, login: tuple[str, str], folder: Path) -> None:
    """Take a picture of a text.

    Args:
        base: The server.
        project: The project.
        number: The place of the text among the texts, from 1.
        login: Name and password.
        folder: The folder for the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    session = requests.Session()
    form = {"username": login[0], "password": login[1]}
    session.post(f"{base}/v1/auth/login/", json=form, timeout=_WAIT / 1000)
    with _page() as page:
        page.context.add_cookies(
            [{"name": each.name, "value": each.value, "url": base} for each in session.cookies]
        )
        page.goto(f"{base}/projects/{project}/sequence-labeling?page={number}")
        page.get_by_text("Label Types").first.wait_for()
        page.wait_for_timeout(_SETTLE)
        page.screenshot(path=folder / "annotation-doccano.png")
