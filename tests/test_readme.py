"""What the README shows in Python runs as written."""

import re
from pathlib import Path

import pytest

import memos_gov

README = Path(__file__).resolve().parents[1] / "README.md"


def test_python_of_the_readme_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example that does not run is worse than none."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    memos_gov.init("my-data").close()

    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 (our own example)

    printed = capsys.readouterr().out
    assert printed.startswith("()\n")  # the analyst does not see the confidential one
    assert "CubeRemembered" in printed
