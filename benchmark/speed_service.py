"""What the prediction service adds to the bare model, and how it bears many clients at once."""

from __future__ import annotations

import gc
import io
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import requests
from PIL import Image

from benchmark import provenance
from benchmark.files import write_json

OUT = Path("results/speed-service")
FORMS = ("npy", "json", "csv", "png")


def picture(seed: int, height: int = 384, width: int = 512) -> bytes:
    """PNG of coarse random colours, another one for each seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def ask(address: str, image: bytes, form: str = "npy") -> int:
    """Status of a prediction of an image."""
    answer = requests.post(
        f"{address}/predict",
        files={"image": ("image", image)},
        data={"format": form},
        timeout=600,
    )
    if answer.status_code == 429:
        assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code


class Server:
    """The service in a process of its own."""

    def __init__(self, model: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "benchmark", "serve", "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--models", model], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Server:
        for _ in range(600):
            try:
                requests.get(f"{self.address}/health", timeout=5)
                return self
            except requests.ConnectionError:
                time.sleep(0.1)
        raise RuntimeError("the service did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

    @property
    def resident_mb(self) -> float:
        """Memory that the process holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def throughput(model: str, images: int, rounds: int) -> dict[str, float]:
    """Seconds per image of the bare model and of the service under load, in the same process.

    The service runs in a thread of this process and is asked over loopback by two clients at a
    time, in another process; rounds alternate.
    """
    import uvicorn

    from benchmark.web.app import create_app
    from benchmark.web.predictor import Predictor
    from benchmark.web.settings import Settings

    predictor = Predictor((model,))
    settings = Settings(models=(model,), kept_bytes=0)
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, predictor), port=0, log_level="error")
    )
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    bare, served = [], []
    seed = 0
    asked = predictor.models[model]
    asked.log_density(np.asarray(Image.open(io.BytesIO(picture(seed)))))
    for _ in range(rounds):
        pixels = [
            np.asarray(Image.open(io.BytesIO(picture(seed + n)))) for n in range(1, images + 1)
        ]
        began = time.perf_counter()
        for each in pixels:
            asked.log_density(each)
        bare.append((time.perf_counter() - began) / images)
        seed += images
        began = time.perf_counter()
        clients = subprocess.run(
            [
                *(sys.executable, "-m", "benchmark.speed_service"),
                *("--clients", f"127.0.0.1:{port}"),
                *("--first", str(seed + 1), "--images", str(images)),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        served.append(json.loads(clients.stdout)["seconds"] / images)
        seed += images
    server.should_exit = True
    return {
        "bare_seconds": statistics.median(bare),
        "served_seconds": statistics.median(served),
        "served_to_bare": statistics.median(s / b for s, b in zip(served, bare)),
    }


def crowd(server: Server, clients: int) -> dict[str, Any]:
    """Statuses that many clients get who ask for different images at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        statuses = Counter(
            pool.map(lambda n: ask(server.address, picture(10_000 + n)), range(clients))
        )
    return {
        "clients": clients,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "seconds": time.perf_counter() - began,
    }


def memory(server: Server, requests_: int) -> dict[str, Any]:
    """Resident memory in MiB after each tenth of many requests for different images.

    Answers are asked for in all forms, in turn. The first tenths fill what the service keeps:
    answers, up to a limit, and the models' own.
    """
    statuses: Counter[int] = Counter()
    resident = []
    with ThreadPoolExecutor(4) as pool:
        for part in range(10):
            seeds = range(30_000 + part * requests_ // 10, 30_000 + (part + 1) * requests_ // 10)
            statuses.update(
                pool.map(lambda n: ask(server.address, picture(n), FORMS[n % len(FORMS)]), seeds)
            )
            resident.append(round(server.resident_mb))
    return {"requests": requests_, "answered": statuses[200], "resident_mib": resident}


@click.command()
@click.option("--model", default="deepgaze2", show_default=True)
@click.option("--images", default=12, show_default=True, help="Images in each round.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--requests", "requests_", default=800, show_default=True, help="For memory.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True)
@click.option("--clients", hidden=True, help="Only ask the service of this address.")
@click.option("--first", default=0, hidden=True)
def main(
    model: str,
    images: int,
    rounds: int,
    requests_: int,
    out: Path,
    clients: str | None,
    first: int,
) -> None:
    """Measure the service beside the bare model, in one run."""
    if clients:
        pictures = [picture(n) for n in range(first, first + images)]
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(lambda image: ask(f"http://{clients}", image), pictures))
        seconds = time.perf_counter() - began
        assert statuses == [200] * images, statuses
        print(json.dumps({"seconds": seconds}))
        return
    found: dict[str, Any] = {"model": model, "image": "512x384", "throughput": {}}
    found["throughput"] = throughput(model, images, rounds)
    gc.collect()
    with Server(model) as server:
        found["crowd"] = crowd(server, 200)
        found["memory"] = memory(server, requests_)
    found["versions"] = provenance.versions()
    found["command"] = shlex.join(["python", "-m", "benchmark.speed_service", *sys.argv[1:]])
    write_json(found, out / "service.json")
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
