"""The doctor says what is wrong and how to mend it, and goes on after each trouble."""

import importlib

from dalib_edu import doctor


def lines():
    shown = []
    healthy = doctor.report(shown.append)
    return healthy, "\n".join(shown)


def test_a_machine_that_runs_the_tests_is_healthy(monkeypatch, tmp_path):
    monkeypatch.setenv("DALIB_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DALIB_EDU_DATA", raising=False)
    healthy, text = lines()
    assert healthy
    assert "torch" in text
    assert "BAD" not in text


def test_a_broken_package_is_named_with_its_mend(monkeypatch):
    real_import = importlib.import_module

    def broken(name, *rest):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real_import(name, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    healthy, text = lines()
    assert not healthy
    assert "torchvision::nms" in text
    assert "pip install --upgrade torchvision" in text


def test_an_unwritable_cache_and_a_missing_data_folder(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("DALIB_EDU_CACHE", str(file / "cache"))
    monkeypatch.setenv("DALIB_EDU_DATA", str(tmp_path / "nowhere"))
    healthy, text = lines()
    assert not healthy
    assert "DALIB_EDU_CACHE" in text
    assert "nowhere" in text
