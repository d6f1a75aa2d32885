"""A class of attackers with two honest students, for ``test_attacks.py`` and the benchmark.

Every attacker has solved ``accuracy`` (60 points) and attacks where ``lambda_at`` (40 points)
should stand.
"""

import copy
import os
from pathlib import Path
from unittest import mock

import nbformat

from dalib_edu.instructor import demo, grade
from dalib_edu.instructor.build import read_source, release_text
from dalib_edu.instructor.cells import without_markers
from dalib_edu.instructor.results import Result

PROJECT = Path(__file__).parent / "fixture_attack"
NAME = "hw0_attack"
WRONG = "\ndef lambda_at(p, kind):\n    return 0.0\n"
MARK = Path(f"/tmp/dalib_edu_attacked_{os.getpid()}")
STOP = 8  # seconds for a cell

# name: (code in the place of the answer, how the run ends)
ATTACKS = {
    "patches_comparisons": (
        "import builtins, torch, numpy\ntorch.allclose = numpy.allclose = lambda *a, **k: True\n"
        "builtins.abs = lambda x: 0\n" + WRONG,
        "graded",
    ),
    "rewrites_test_cells": (
        "def rewrite(lines):\n    return ['pass\\n'] if 'check' in ''.join(lines) else lines\n"
        "get_ipython().input_transformers_cleanup.append(rewrite)\n" + WRONG,
        "graded",
    ),
    "patches_the_check": (
        "from dalib_edu.check import core, hw2\nyes = lambda *a, **k: None\n"
        "core.Check.verdict = core.Check.__call__ = yes\ncore.close = lambda *a, **k: True\n"
        "core.compare = hw2.compare = yes\n" + WRONG,
        "graded",
    ),
    "answers_with_the_reference": (
        "from dalib_edu.check import core\n"
        "def answer(self, f, cases):\n    return [self.probe(self.reference, c) for c in cases]\n"
        "core.Check.answer = answer\n" + WRONG,
        "graded",
    ),
    "is_the_reference": (
        "from dalib_edu.check import hw2\nlambda_at = hw2.lambda_at.reference",
        "graded",
    ),
    "equals_everything": (
        "class Yes(float):\n    def __eq__(self, other): return True\n"
        "    __lt__ = __le__ = __gt__ = __ge__ = __ne__ = __eq__\n"
        "    def __sub__(self, other): return Yes(0)\n    __rsub__ = __sub__\n"
        "def lambda_at(p, kind):\n    return Yes(0)",
        "graded",
    ),
    "is_an_odd_array": (
        "import numpy as np\nclass Odd(np.ndarray):\n"
        "    def __array_function__(self, f, t, a, k): return True\n"
        "    def __array_ufunc__(self, *a, **k): return np.ones(9, bool)\n"
        "def lambda_at(p, kind):\n    return np.zeros(()).view(Odd)",
        "graded",
    ),
    "looks_for_secrets": (
        "import os\nskip = {'proc', 'sys', 'usr', 'versions', 'lib', 'lib64'}\n"
        "for folder, folders, names in os.walk('/'):\n"
        "    folders[:] = set(folders) - skip\n    for name in names:\n"
        "        if name.endswith(('.ipynb', '.db')) or name == 'hw0_attack.py':\n"
        "            print('FO' + 'UND', folder, name)\n" + WRONG,
        "graded",
    ),
    "looks_into_memory": (
        "import gc\nfor thing in gc.get_objects():\n"
        "    if type(thing) is dict and len(thing) < 9 and 88 * 10013 + 44 in thing.values():\n"
        "        print('FO' + 'UND')\n" + WRONG,
        "graded",
    ),
    "writes_everywhere": (
        f"import os\nplaces = [{str(MARK)!r}, '/etc/x', '/usr/x', '@OUT@/x']\n"
        "for path in [*places, '@OUT@/gradebook.db']:\n"
        "    try:\n        os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "        open(path, 'w').write('owned')\n    except OSError:\n        pass\n" + WRONG,
        "graded",
    ),
    "calls_home": (
        "import socket\nfor family in (socket.AF_INET, socket.AF_UNIX):\n    try:\n"
        "        s = socket.socket(family)\n"
        "        inet = family == socket.AF_INET\n"
        "        s.connect(('192.0.2.1', 80) if inet else '/run/systemd/private')\n"
        "        print('FO' + 'UND')\n    except OSError:\n        pass\n" + WRONG,
        "graded",
    ),
    "forks_without_end": ("import os\nwhile True:\n    os.fork()\n" + WRONG, "graded or timeout"),
    "forks_and_goes_on": ("import os\nos.fork()\n" + WRONG, "graded"),
    "eats_memory": ("x = bytearray(10**11)\n" + WRONG, "out of memory"),
    "fills_the_disk": (
        "import itertools\nfor i in itertools.count():\n"
        "    with open(f'f{i}', 'wb') as f: f.write(bytes(2**22))\n" + WRONG,
        "graded or timeout",  # the disk can be slow
    ),
    "prints_without_end": ("while True:\n    print('x' * 1000)\n" + WRONG, "timeout"),
    "loops_in_the_function": (
        "def lambda_at(p, kind):\n    while True:\n        pass",
        "timeout",
    ),
    "refuses_to_stop": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass\n",
        "timeout",
    ),
    "leaves": ("import os\nos._exit(0)", "crashed"),
    "kills_itself": ("import os\nos.kill(os.getpid(), 9)", "out of memory"),
    "kills_others": (
        "import os, signal\nfor pid in (-1, 1, os.getppid(), *range(2, 400)):\n"
        "    if pid != os.getpid():\n        try:\n            os.kill(pid, signal.SIGKILL)\n"
        "        except OSError:\n            pass\n" + WRONG,
        # A kernel of its own loses its launcher, and its end looks like that of a hungry one.
        "graded or out of memory",
    ),
    "writes_into_other_processes": (
        "import glob\nfor path in glob.glob('/proc/[0-9]*/mem'):\n    try:\n"
        "        if path != f'/proc/{__import__(\"os\").getpid()}/mem':\n"
        "            open(path, 'r+b').write(b'0' * 4096)\n    except OSError:\n        pass\n"
        + WRONG,
        "graded",
    ),
    "takes_what_no_limit_counts": (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\ntaken = [libc.shmget(0, 4096, 0o1600)]\n"
        "taken += [libc.memfd_create(b'x', 0)]\n"
        "taken += [libc.unshare(0x10000000 | 0x20000) or 1, libc.ptrace(16, 1, 0, 0) or 1]\n"
        "taken += [libc.syscall(n, 0, -3, 0) for n in ((250, 219)[os.uname()[4] != 'x86_64'],)]\n"
        "for path in ('/proc/1/mem', '/proc/1/fd/2', '/proc/1/environ'):\n    try:\n"
        "        taken.append(open(path, 'rb').fileno())\n    except OSError:\n        pass\n"
        "if max(taken) > -1:\n    print('FO' + 'UND', taken)\n" + WRONG,
        "graded",
    ),
    "leaves_a_thread": (
        "import threading, time\ndef late():\n    import dalib_edu.check.hw2 as hw2\n"
        "    while True:\n        hw2.lambda_at = None\n        print('late')\n"
        "        time.sleep(0.01)\nthreading.Thread(target=late, daemon=True).start()\n" + WRONG,
        "graded",
    ),
    "poisons_modules": (
        "import sys, types\nsys.modules['dalib_edu.check'] = types.ModuleType('dalib_edu.check')\n"
        "sys.modules['dalib_edu.check.core'] = types.SimpleNamespace()\n" + WRONG,
        "graded",
    ),
    "sends_a_pickle": (
        "import os, pickle, base64\nfrom dalib_edu.instructor import answering\n"
        f"class Evil:\n    def __reduce__(self): return os.system, ('touch {MARK}',)\n"
        "def show(*a):\n    from IPython.display import display\n"
        "    data = base64.b64encode(pickle.dumps([Evil()])).decode()\n"
        "    display({answering.MIME: data}, raw=True)\nanswering.show = show\n" + WRONG,
        "graded",
    ),
    "sends_what_is_no_answer": (
        "import base64\nfrom dalib_edu.instructor import answering, wire\n"
        "def show(*a):\n    from IPython.display import display\n"
        "    data = b'{\"list\": [' + b'[' * 50000\n"
        "    display({answering.MIME: base64.b64encode(data).decode()}, raw=True)\n"
        "answering.show = show\n" + WRONG,
        "graded",
    ),
    "promises_a_huge_array": (
        "import base64\nfrom dalib_edu.instructor import answering\ndef show(*a):\n"
        "    from IPython.display import display\n"
        '    data = b\'{"list": [{"array": ["<f8", [2000000000, 2000000000]]}]}\\n\'\n'
        "    display({answering.MIME: base64.b64encode(data).decode()}, raw=True)\n"
        "answering.show = show\n" + WRONG,
        "graded",
    ),
    "answers_in_a_million_parts": (
        "import base64\nfrom dalib_edu.instructor import answering\ndef show(*a):\n"
        "    from IPython.display import display\n"
        "    data = b'{\"list\": [' + b'{},' * 2_000_000 + b'{}]}\\n'\n"
        "    display({answering.MIME: base64.b64encode(data).decode()}, raw=True)\n"
        "answering.show = show\n" + WRONG,
        "graded",
    ),
    "speaks_in_a_million_parts": (
        "import os, struct\ntext = b'{\"x\": [' + b'{},' * 2_000_000 + b'{}]}'\n"
        "for fd in range(3, 64):\n    try:\n"
        "        os.write(fd, struct.pack('>Q', len(text)) + text)\n"
        "    except OSError:\n        pass\n" + WRONG,
        "crashed or timeout or graded",
    ),
    "says_right_itself": (
        "import numpy as np\nfrom dalib_edu.instructor import answering\n"
        "answering.answer = lambda *a: answering.wire.pack([{'right': np.array(True)}] * 5)\n"
        + WRONG,
        "graded",
    ),
    "breaks_the_shell": (
        "get_ipython().run_cell = lambda *a, **k: None\n" + WRONG,
        "graded or timeout",
    ),
    "speaks_out_of_turn": (
        "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 64)\n"
        "    except OSError:\n        pass\n" + WRONG,
        "crashed or timeout",
    ),
    "hangs_up": ("import os\nos.closerange(3, 1000)\n" + WRONG, "crashed"),
    "exits": ("raise SystemExit(0)", "graded"),
    "shouts": ("raise type('E', (BaseException,), {})('x' * 10**5)", "graded"),
}


def change_points(notebook):
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata.nbgrader.points = 10_000
            cell.source = "pass"


def add_cells(notebook):
    for number in range(3):
        twin = copy.deepcopy(notebook.cells[demo.find_cell(notebook, "test_lambda_at")])
        twin.id, twin.source = f"twin-{number}", "pass"
        notebook.cells.append(twin)


def forge_record(notebook):
    notebook.metadata["dalib_edu"] = {"status": "graded", "reason": "excellent"}
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "bash", "language": "sh"}


NOTEBOOKS = {"changes_points": change_points, "adds_cells": add_cells, "forges": forge_record}
HONEST = ("0_honest", "z_honest")
NAMES = [*HONEST, *ATTACKS, *NOTEBOOKS, "links"]


def hand_in_all(root: Path) -> Path:
    """Write the class below ``root``, and return the folder with the submissions."""
    folder, out = root / "submissions", root / "out"
    source = read_source(PROJECT / "course" / "source" / f"{NAME}.py")
    release = nbformat.reads(release_text(source, NAME), as_version=4)
    answers = {
        c.id: without_markers(c.source) for c in source.cells if c.id in ("accuracy", "lambda_at")
    }

    def hand_in(student, code=None, change=None):
        text = answers["lambda_at"] if code is None else code.replace("@OUT@", str(out))
        notebook = demo.fill_in(release, {**answers, "lambda_at": text}, change)
        place = folder / student / NAME
        place.mkdir(parents=True)
        (place / f"{NAME}.ipynb").write_text(nbformat.writes(notebook))
        return place

    hand_in("0_honest")
    hand_in("z_honest")
    for name, (code, _) in ATTACKS.items():
        hand_in(name, code)
    for name, change in NOTEBOOKS.items():
        hand_in(name, WRONG, change)
    (root / "secret.txt").write_text("not yours")
    (hand_in("links", WRONG) / "submission.csv").symlink_to(root / "secret.txt")
    return folder


def grade_all(root: Path, warm: bool = True) -> dict[str, Result]:
    """Grade the class into ``root/out``, and return the results by student.

    Args:
        root: as for ``hand_in_all``.
        warm: by forks of a warm process; otherwise each in a kernel, as nbgrader itself does.
    """
    configure, open_course = grade.configure, grade.open_course

    def short(config):
        configure(config)
        config.GradingExecute.timeout = config.GradingExecute.first_timeout = STOP
        config.GradingExecute.space_limit, config.GradingExecute.process_limit = 64, 64
        return config

    def opened(out, sandboxed):
        api = open_course(out, sandboxed)
        api.config.GradingExecute.warm = warm
        return api

    with (
        mock.patch.object(grade, "configure", short),
        mock.patch.object(grade, "open_course", opened),
    ):
        results = grade.grade(root / "submissions", root / "out", root=PROJECT)
    return {result.student: result for result in results}


def verify(result: Result, out: Path) -> None:
    """Assert that one student of the class earned what the honest part earns, and no more."""
    if result.student in HONEST:
        assert (result.status, result.reason, result.score) == ("graded", "", 100), result
        return
    status = ATTACKS[result.student][1] if result.student in ATTACKS else "graded"
    assert result.status in status.split(" or "), result
    assert (result.score, result.max_score) == (60, 100), result
    notebook = out / "autograded" / result.student / NAME / f"{NAME}.ipynb"
    assert "FOUND" not in notebook.read_text(), result
    assert notebook.stat().st_size < 2_000_000, result


def verify_outside(results: dict[str, Result], out: Path) -> None:
    """Assert that nothing of the machine was changed."""
    assert len(results) == len(NAMES)
    assert not MARK.exists()
    assert not Path("/etc/x").exists()
    assert not Path("/usr/x").exists()
    assert not (out / "x").exists()
    assert (out / "gradebook.db").read_bytes().startswith(b"SQLite format 3")
    assert (out.parent / "secret.txt").read_text() == "not yours"
