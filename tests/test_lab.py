"""What `make lab` opens, in a real browser: the student's notebook, with the Validate button."""

import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def server(tmp_path):
    """Start JupyterLab on a fresh student's folder and yield the address that it says."""
    work = tmp_path / "work"
    subprocess.run([sys.executable, "-m", "dalib_edu.cli", "start", work], check=True)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += [f"--notebook-dir={work}", "--port=0", "--ServerApp.token=secret"]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(120):
            found = re.search(r"http://127\.0\.0\.1:(\d+)/lab", log.read_text())
            if found:
                break
            time.sleep(0.5)
        assert found, log.read_text()
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(30)


def dom(address, profile):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=40000"]
    shown = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=120
    )
    return shown.stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_notebook_opens_with_its_validate_button(server, tmp_path):
    with urllib.request.urlopen(f"{server}/api/contents?token=secret") as answer:
        listed = answer.read().decode()
    assert "hw0_start.ipynb" in listed
    assert "hw2_dann_drawings.ipynb" in listed
    for attempt in range(3):  # a slow machine may need a second look
        page = dom(f"{server}/lab/tree/hw0_start.ipynb?token=secret", tmp_path / str(attempt))
        if "Homework 0: Start here" in page:
            break
    assert "Homework 0: Start here" in page
    assert "Validate" in page
