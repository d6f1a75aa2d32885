"""The wall around student code: what cannot be seen, written, reached or used up from inside."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dalib_edu.instructor import confine, grade, sandbox
from dalib_edu.settings import UserError

REPOSITORY = Path(__file__).parents[2]
SMALL = sandbox.Limits(memory=1024, processes=40, space=16)

needs_sandbox = pytest.mark.sandbox


@pytest.fixture
def inside():
    """Run Python code in the sandbox; return what it printed."""

    def run(code, limits=SMALL, submitted=None, env=None):
        command = sandbox.wrap(
            [sys.executable, "-I", "-S", "-c", code],
            limits=limits,
            submitted=submitted,
            uid=sandbox.stranger(),
        )
        return subprocess.run(
            command,
            env=sandbox.environment(env or os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@needs_sandbox
def test_nothing_but_python_and_the_package_is_there(inside, tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("grades")
    places = [
        secret,
        tmp_path,
        Path.home() / ".bash_history",
        *(REPOSITORY / name for name in ("course", "solutions", "tests", ".git", "README.md")),
        "/etc/passwd",
        "/var",
        "/run",
        "/home",
        "/etc/shadow",
    ]
    code = f"import os\nprint([p for p in {[str(p) for p in places]} if os.path.exists(p)])"
    assert inside(code).stdout == "[]\n"
    code = f"import os\nprint(sorted(os.listdir({str(REPOSITORY)!r})))"
    assert set(eval(inside(code).stdout)) <= {"dalib_edu", ".venv"}


@needs_sandbox
def test_the_system_cannot_be_written(inside):
    places = [str(REPOSITORY / "dalib_edu"), sys.prefix, "/usr", "/", "/proc/sys/kernel", "/dev"]
    code = (
        "import os\nfor p in " + repr(places) + ":\n"
        "    try:\n        open(p + '/x', 'w')\n        print('wrote', p)\n"
        "    except OSError:\n        pass\n"
        "open('here', 'w').write('yes'); print(os.listdir())"
    )
    assert inside(code).stdout == "['here']\n"


@needs_sandbox
def test_there_is_no_network(inside):
    code = (
        "import socket\nprint(socket.if_nameindex())\n"
        "s = socket.socket()\ns.settimeout(5)\n"
        "try:\n    s.connect(('192.0.2.1', 80))\nexcept OSError as e:\n    print(e.errno)"
    )
    assert inside(code).stdout == "[(1, 'lo')]\n101\n"


@needs_sandbox
def test_it_is_nobody_without_rights_and_sees_no_process(inside):
    code = (
        "import os\nprint(os.getuid() == 0 and os.path.exists(os.path.expanduser('~root/.ssh')))\n"
        "print([x for x in open('/proc/self/status') if x.startswith('CapEff')])\n"
        "print(len([p for p in os.listdir('/proc') if p.isdigit()]) <= 3)"
    )
    assert inside(code).stdout == "False\n['CapEff:\\t0000000000000000\\n']\nTrue\n"


@needs_sandbox
def test_calls_that_no_homework_needs_are_refused(inside):
    """Memory that no limit counts, namespaces with rights of their own, other processes, keys."""
    numbers = ((319, 29, 272, 101, 250), (279, 194, 97, 117, 219))[platform.machine() == "aarch64"]
    memfd, shmget, unshare, ptrace, keyctl = numbers
    clone = 56 if memfd == 319 else 220
    code = f"""
import ctypes, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def refused(*call):
    return libc.syscall(*call) == -1 and ctypes.get_errno()
print(refused({memfd}, b'x', 0), refused({shmget}, 0, 4096, 0o1600))
print(refused({unshare}, 0x10000000), refused({ptrace}, 0, 0, 0, 0))
print(refused({clone}, 0x10000000 | 17, 0, 0, 0, 0), refused(435, 0, 0))
print(refused({keyctl}, 0, -3, 0))
thread = threading.Thread(target=print, args=('thread',))
thread.start()
thread.join()
print(subprocess.run(['echo', 'process'], capture_output=True).stdout)
"""
    said = inside(code, limits=sandbox.Limits()).stdout
    assert said == "1 1\n1 1\n1 38\n1\nthread\nb'process\\n'\n"


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")],
)
def test_the_numbers_of_calls_are_the_kernels(machine, header):
    path = Path("/usr/include") / header
    if not path.is_file():
        pytest.skip(f"there is no {path} here")
    text = path.read_text()
    theirs = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    ours = {**confine.DENIED, "clone": confine.CLONE, "clone3": confine.CLONE3}
    ours |= {"seccomp": confine.SECCOMP, "keyctl": confine.KEYCTL}
    place = list(confine.MACHINES).index(machine)
    for name, numbers in ours.items():
        if name in theirs:  # an older system does not have all of them
            assert int(theirs[name]) == numbers[place], name
    assert len(theirs.keys() & ours.keys()) > 20


@needs_sandbox
def test_the_environment_holds_no_secrets(inside):
    env = {**os.environ, "MY_TOKEN": "secret", "DALIB_EDU_SCALE": "grading"}
    printed = inside("import os\nprint(dict(os.environ))", env=env).stdout
    found = eval(printed)
    assert "MY_TOKEN" not in found
    assert found["DALIB_EDU_SCALE"] == "grading"
    assert found["HOME"] == sandbox.HOME


@needs_sandbox
def test_files_come_in_as_copies_and_nothing_goes_out(inside, tmp_path):
    (tmp_path / "data.csv").write_text("1\n")
    code = (
        "import os\nprint(os.getcwd(), open('data.csv').read())\n"
        "open('data.csv', 'w').write('2'); open('new', 'w').write('3')\n"
        "try:\n    open('/submitted/data.csv', 'w')\nexcept OSError:\n    print('no')"
    )
    assert inside(code, submitted=tmp_path).stdout == f"{sandbox.WORK} 1\n\nno\n"
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("data.csv", "1\n")]


@needs_sandbox
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = bytearray(3 * 2**30)", "MemoryError"),
        ("f = open('x', 'wb')\nfor _ in range(100): f.write(bytes(2**20))", "OSError"),
        (
            "for i in range(100):\n    with open(str(i), 'wb') as f: f.write(bytes(2**20))",
            "No space left",
        ),
        (
            "import os, time\nfor _ in range(200):\n"
            "    if os.fork() == 0:\n        time.sleep(20)\n        os._exit(0)",
            "BlockingIOError",
        ),
    ],
    ids=["memory", "file", "space", "processes"],
)
def test_there_is_an_end_to_everything(inside, code, error):
    begun = time.monotonic()
    done = inside(code)
    assert done.returncode != 0
    assert error in done.stderr
    assert time.monotonic() - begun < 15  # with it, the processes that sleep have gone


@needs_sandbox
def test_what_the_processes_use_together_is_watched(inside):
    code = (
        "import os, time\nfor _ in range(6):\n    if os.fork() == 0: break\n"
        "x = bytearray(b'x') * (2**26 * 3)\ntime.sleep(60)"
    )
    command = sandbox.wrap(
        [sys.executable, "-I", "-S", "-c", code], limits=SMALL, uid=sandbox.stranger()
    )
    process = subprocess.Popen(command, env=sandbox.environment(os.environ))
    watch = sandbox.Watch(process, SMALL)
    watch.join(50)
    assert process.wait(10) != 0
    assert watch.verdict == ("out of memory", "its processes took more than 1024 MiB")


def test_a_runtime_folder_is_for_sockets(tmp_path):
    (tmp_path / "kernel.json").write_text("{}")
    assert not sandbox._misused(tmp_path)
    (tmp_path / "big").write_bytes(bytes(2 * 2**20))
    assert sandbox._misused(tmp_path)
    (tmp_path / "big").unlink()
    (tmp_path / "folder").mkdir()
    assert sandbox._misused(tmp_path)
    assert not sandbox._misused(tmp_path / "missing")


@needs_sandbox
def test_any_program_that_reads_kernelspecs_gets_the_sandbox(tmp_path, monkeypatch, inside):
    """As JupyterLab does: a kernel.json on its path, and a manager with its own settings."""
    from jupyter_client.manager import start_new_kernel

    folder = tmp_path / "kernels" / "sandboxed"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(sandbox.kernel_spec(SMALL).to_dict()))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.csv").write_text("1")
    manager, client = start_new_kernel(
        kernel_name="sandboxed", cwd=str(tmp_path / "work"), startup_timeout=120
    )
    try:
        runtime = Path(manager.connection_file).parent
        lines = []
        client.execute_interactive(
            "import os, socket; print(os.getcwd(), os.listdir(), socket.if_nameindex())",
            timeout=120,
            output_hook=lambda message: lines.append(message["content"].get("text", "")),
        )
        printed = "".join(lines)
        assert printed == f"{sandbox.WORK} ['data.csv'] [(1, 'lo')]\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not runtime.exists()


# --- where there is none ------------------------------------------------------------------------


@pytest.fixture
def no_sandbox(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox.lacking.cache_clear()
    yield
    monkeypatch.undo()
    sandbox.lacking.cache_clear()


def test_without_a_sandbox_grading_refuses_and_says_what_to_do(no_sandbox, tmp_path):
    with pytest.raises(UserError) as caught:
        grade.grade(tmp_path, tmp_path / "out")
    text = str(caught.value)
    assert "apt install bubblewrap" in text or sys.platform != "linux"
    assert "--unsandboxed" in text
    assert "\n" not in text


def test_the_doctor_says_so(no_sandbox):
    from dalib_edu.doctor import _sandbox

    finding = _sandbox()
    assert finding.state == "note"
    assert finding.mend == sandbox.lacking()
