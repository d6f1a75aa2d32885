"""What all tests share: a cache of their own, and no progress bars."""

import pytest

import dalib_edu  # noqa: F401  before torch: it says how idle threads wait


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DALIB_EDU_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("DALIB_EDU_PROGRESS", "off")
        yield
