"""What the tests share: the templates, evaluated once, and copies of them to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from check.evaluate import Deployment, evaluate
from check.variants import BASE, VARIANTS
from resolver import Resolver
from stand import Scripts, Stand

TEMPLATES = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def templates() -> Path:
    return TEMPLATES


@pytest.fixture(scope="session")
def deployments() -> dict[str, Deployment]:
    """The templates as they are, for each variant."""
    return {
        name: evaluate(TEMPLATES, {**BASE, **given}, name) for name, given in VARIANTS.items()
    }


@pytest.fixture
def altered(tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the templates in which one text of one file is another."""

    def alter(file: str, old: str, new: str, count: int = 1) -> Path:
        copy = tmp_path / "aws"
        if not copy.exists():
            copy.mkdir()
            for root in ("foundation.yaml", "services.yaml"):
                shutil.copy(TEMPLATES / root, copy)
            shutil.copytree(TEMPLATES / "templates", copy / "templates")
        path = copy / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no '{old}' any more: the test must follow"
        path.write_text(text.replace(old, new, count), encoding="utf-8")
        return copy

    return alter


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    it = Resolver()
    yield it
    it.close()


@pytest.fixture
def stand(
    tmp_path: Path, templates: Path, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    it = Stand(tmp_path, templates, resolver, monkeypatch)
    yield it
    it.close()


@pytest.fixture
def scripts(stand: Stand, templates: Path) -> Scripts:
    return Scripts(stand, templates)
