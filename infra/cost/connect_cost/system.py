"""What counts depend on, beside the code of this repository."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from connect_cost.programs import run

CPU_INFO = Path("/proc/cpuinfo")


def swift_version(text: str) -> str:
    """The version in what `swift --version` prints; `-` if there is none."""
    found = re.search(r"Swift version (\d+\.\d+(?:\.\d+)?)", text)
    return found[1] if found else "-"


def extensions(text: str) -> str:
    """By what /proc/cpuinfo says, whether the C library chooses its functions for AVX2.

    Those for AVX-512 it never chooses under valgrind, which hides that extension.
    """
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return "avx2" if found and "avx2" in found[1].split() else "-"


def system() -> dict[str, str]:
    swift = run(["swift", "--version"], timeout=60)
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "extensions": extensions(CPU_INFO.read_text() if CPU_INFO.exists() else ""),
        # An event loop for each, and so the wake-ups of the services.
        "processors": str(os.cpu_count()),
        "library": " ".join(platform.libc_ver()),
        "swift": swift_version(swift),
    }
