"""What every test may use: Hypothesis profiles, real data, and a founded data folder."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import memos_gov
from memos_gov.service import Actor
from tests import engines
from tests.clocks import Turned

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# A head is signed when a record has waited for this long: tests say when time passes.
os.environ["MEMOS_GOV_CHECKPOINT_S"] = "1000000000"

settings.register_profile("dev", deadline=None, max_examples=30)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,  # what is submitted is judged by the same examples every time
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Run no connected test, and skip none, where an engine does not answer."""
    asked_for = any(item.get_closest_marker("connected") for item in session.items)
    if asked_for and not session.config.option.collectonly:
        engines.require()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared real data beside the repository; skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data is not on this machine: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed data folder with tenant `default` and first principal `owner`."""
    folder = tmp_path_factory.mktemp("founded") / "data"
    memos_gov.init(folder).close()
    return folder


@pytest.fixture
def folder(founded: Path, tmp_path: Path) -> Path:
    """Return a data folder of this test's own."""
    return Path(shutil.copytree(founded, tmp_path / "data"))


@pytest.fixture
def clock() -> Turned:
    """Return the machine's clock, which a test may turn."""
    return Turned()


@pytest.fixture
def gov(folder: Path, clock: Turned) -> Iterator[memos_gov.Service]:
    """Return an open service over `folder`, which goes by `clock`."""
    with memos_gov.open(folder, clock=clock) as service:
        yield service


@pytest.fixture
def owner(gov: memos_gov.Service) -> Actor:
    """Return the tenant's first principal, acting for the purpose of most tests."""
    return gov.acting_as("owner", purpose="complaint-handling")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, here and in processes started here, even where the shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
