"""What was measured on."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from benchmark import provenance


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, and the versions that matter."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1e6, 1),
        "system": platform.system(),
        "versions": provenance.versions(),
    }


def in_words(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {found['versions'][name]}" for name in ("python", "numpy"))
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory_gb']} GB, "
        f"{found['system']}, {versions}"
    )


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What differs between two machines, as "name: A, here B"."""
    pairs = [
        (name, one.get(name), other.get(name))
        for name in ("processor", "cores", "memory_gb", "system")
    ]
    versions, others = one.get("versions", {}), other.get("versions", {})
    pairs += [(name, versions.get(name), others.get(name)) for name in sorted({*versions, *others})]
    return [f"{name}: {a}, here {b}" for name, a, b in pairs if a != b]


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
