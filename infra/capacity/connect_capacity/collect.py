"""Puts what `measure` has run into one file: `collect.py REPOSITORY RESULTS OUTPUT`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

FORMAT = 1


def run(directory: Path, name: str, root: Path) -> dict[str, object]:
    """One run: its command without this machine's paths, how busy that was, what it printed."""
    command = (directory / f"{name}.command").read_text().strip()
    load = (directory / f"{name}.load").read_text().strip()
    return {
        "command": command.replace(f"{root}/", ""),
        "loadAverageBefore": float(load) if load else None,
        "report": json.loads((directory / f"{name}.json").read_text()),
    }


def machine() -> dict[str, object]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "processors": os.cpu_count(),
        "memoryBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "redis": output("redis-server", "--version").split(" sha=")[0],
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path) -> str:
    """The commit, and a plus sign if what was built from may have been another state."""
    revision = output("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    changed = output(
        "git", "-C", str(root), "status", "--porcelain", "--", "Sources", "Package.swift")
    return revision + ("+" if changed else "")


def main(root: Path, results: Path, target: Path) -> None:
    names = sorted(path.stem for path in results.glob("*.command"))
    chats = [run(results, name, root) for name in names if name.startswith("chat-")]
    idle = run(results, "idle", root)
    document = {
        "format": FORMAT,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": chats[0]["report"]["version"],  # type: ignore[index]
        "commit": commit(root),
        "machine": machine(),
        "chat": chats,
        "idle": idle,
        "mailboxes": run(results, "mailboxes", root),
    }
    target.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
