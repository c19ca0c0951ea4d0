"""What the machine has: processor, memory, disk, GPUs. Read from the system, without torch."""

import contextlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from swap_assets.domain.model import Frozen

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Names cards in place of nvidia-smi's, comma-separated; for tests and dry runs on machines without cards.
DEVICES = "SWAP_GPU_DEVICES"
_GIB = 1024**3


class Gpu(Frozen):
    """One NVIDIA card as `nvidia-smi` lists it."""

    index: int
    name: str
    memory_gib: float
    driver: str = ""
    uuid: str = ""

    @property
    def cuda_name(self) -> str:
        """What CUDA_VISIBLE_DEVICES takes: the UUID, which means the same card to every process, else the index."""
        return self.uuid or str(self.index)


class Hardware(Frozen):
    """The machine; sizes in GiB, None where the system does not say."""

    system: str
    processor: str
    cpus: int = Field(description="processors this process may use")
    memory_gib: float | None
    memory_free_gib: float | None
    disk_free_gib: float | None
    gpus: tuple[Gpu, ...] = ()


def hardware(folder: Path = Path()) -> Hardware:
    """Look at the machine; free disk is that of the file system that `folder` lies (or would lie) on."""
    import psutil

    memory = psutil.virtual_memory()
    return Hardware(
        system=f"{platform.system()} {platform.machine()}", processor=_processor(), cpus=cpu_count(),
        memory_gib=round(memory.total / _GIB, 1), memory_free_gib=round(memory.available / _GIB, 1),
        disk_free_gib=_disk_free(folder), gpus=gpus(),
    )  # fmt: skip


def cpu_count() -> int:
    """Return how many processors this process may use, a container's limit included where it is known."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_cpus()
    return max(1, min(allowed, quota) if quota else allowed)


def gpus() -> tuple[Gpu, ...]:
    """List the NVIDIA cards; empty where there is none or `nvidia-smi` does not answer within ten seconds."""
    query = ["nvidia-smi", "--query-gpu=index,name,memory.total,driver_version,uuid", "--format=csv,noheader,nounits"]
    try:
        return parse_gpus(subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout)
    except (OSError, subprocess.SubprocessError):
        return ()


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Read `0, NVIDIA H100 80GB HBM3, 81559, 550.90, GPU-5a1b` lines; memory is in MiB. Others are left out."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(index=int(row[0]), name=row[1], memory_gib=round(int(row[2]) / 1024, 1), driver=row[3], uuid=row[4])
        for row in rows
        if len(row) == 5 and row[0].isdigit() and row[2].isdigit()
    )


def visible_cards(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the cards that this process may use, each by a name that is the same for every process."""
    if named := environment.get(DEVICES):
        return tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    return cards_named(environment.get(VISIBLE), gpus())


def described() -> dict[str, str]:
    """Say in short texts what this process computes on: processor, memory, and the cards that it may use."""
    machine, own = hardware(), visible_cards()
    cards = [card for card in machine.gpus if card.cuda_name in own]
    return {
        "processor": f"{machine.cpus} x {machine.processor or machine.system}",
        "memory_gib": "" if machine.memory_gib is None else f"{machine.memory_gib:g}",
        "gpus": ", ".join(f"{card.name} ({card.memory_gib:g} GiB)" for card in cards) or "none",
        "driver": ", ".join(sorted({card.driver for card in cards if card.driver})),
    }


def cards_named(visible: str | None, found: Sequence[Gpu]) -> tuple[str, ...]:
    """Resolve CUDA_VISIBLE_DEVICES (indices, UUIDs or their beginnings) into the UUIDs of the cards that are there.

    As CUDA has it, an unknown entry hides itself and all that follow. Indices count in the order of `nvidia-smi`. A MIG
    instance, which `nvidia-smi` does not list as a card, keeps its own name.
    """
    if visible is None or not found:
        return tuple(card.cuda_name for card in found)
    chosen: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        match = [card.cuda_name for card in found if _is(card, entry)]
        if not match and not entry.startswith("MIG-"):
            break
        chosen.append(match[0] if match else entry)
    return tuple(dict.fromkeys(chosen))


def _is(card: Gpu, entry: str) -> bool:
    return int(entry) == card.index if entry.isdigit() else entry.startswith("GPU-") and card.uuid.startswith(entry)


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    text = listed.read_text(encoding="utf-8", errors="replace") if listed.exists() else ""
    found = re.search(r"^model name\s*:\s*(.*\S)", text, flags=re.MULTILINE)
    return found[1] if found else platform.processor()


def _disk_free(folder: Path) -> float | None:
    existing = next((path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()), None)
    return round(shutil.disk_usage(existing).free / _GIB, 1) if existing else None


def _cgroup_cpus() -> int | None:
    with contextlib.suppress(OSError, ValueError):  # there is no such file, or no limit in it ("max")
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split())
        return max(1, quota // period)
    return None
