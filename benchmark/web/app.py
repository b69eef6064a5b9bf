"""The application: addresses, what they take and what they answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client import generate_latest as prometheus_text
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from benchmark import __version__
from benchmark.datasets.photographs import locate, select
from benchmark.predict import npy
from benchmark.report.plots.overlay import overlay
from benchmark.web import answers
from benchmark.web.guard import Guard
from benchmark.web.predictor import PIXELS_PER_DEGREE, Predictor, Question, default_centre_bias
from benchmark.web.problem import Problem
from benchmark.web.queue import Progress, Queue
from benchmark.web.settings import Settings
from benchmark.web.threads import Threads
from benchmark.web.upload import decode_centre_bias, decode_image, parse_fixations

STATIC = {
    "page.js": "text/javascript",
    "page.css": "text/css",
    "docs.css": "text/css",
}
EXAMPLES = ("astronaut", "coffee", "chelsea", "rocket")
#: Images that are decoded at a time, and answers that are drawn.
THREADS = 2
TICKET = r"^[A-Za-z0-9-]{0,64}$"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text}
    for status, text in {
        400: "The request is malformed.",
        404: "There is no such model or ticket.",
        408: "The request did not arrive in time.",
        409: "A request with this ticket is in flight.",
        413: "The request or the image is too large.",
        415: "This is no image of a known format.",
        422: "The request cannot be answered; the message says what to change.",
        429: "Too many requests are waiting; Retry-After says when to try again.",
        504: "The image or the prediction took too long.",
    }.items()
}

Image = Annotated[UploadFile, File(description="PNG, JPEG, WebP, TIFF, GIF or BMP")]
Model = Annotated[str, Form(description="see /models; empty: the default one", max_length=100)]
CentreBias = Annotated[Literal["on", "off", "uploaded"], Form()]
CentreBiasFile = Annotated[
    UploadFile | None, File(description="npy: natural log of a density; image: a density in grey")
]
Resolution = Annotated[
    float | None,
    Form(
        description="of the image as it was seen; it is resized to 35 pixels per degree. Left out: "
        "predicted as it is",
        gt=0,
        allow_inf_nan=False,
    ),
]

Ticket = Annotated[
    str,
    Form(description="a name of your choice, to ask /progress how far it is", pattern=TICKET),
]


def create_app(settings: Settings | None = None, predictor: Predictor | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        predictor: the models, None to load those of the settings.

    Raises:
        BenchmarkError: a model of the settings cannot be used.
    """
    settings = settings or Settings()
    predictor = predictor or Predictor(settings.models)
    queue = Queue(settings.queue, settings.timeout, settings.kept_bytes)
    threads = CapacityLimiter(THREADS)
    decoders = Threads(THREADS, settings.decoding, settings.timeout)
    metrics = _Metrics(queue)
    # uploads stay in memory: their size is limited before they are parsed
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, settings.max_bytes + 1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(queue.close)
        decoders.close()

    app = FastAPI(
        title="Where people look",
        summary="Densities of fixations predicted for images, and scores of measured fixations.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.queue, app.state.predictor = queue, predictor

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return JSONResponse({"detail": error.message}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [
            f"{'.'.join(str(part) for part in each['loc'][1:]) or 'request'}: {each['msg']}"
            for each in error.errors()[:5]
        ]
        return JSONResponse({"detail": "; ".join(wrong)[:1000]}, 422)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)

    async def in_thread(function: Any, *arguments: Any) -> Any:
        return await to_thread.run_sync(partial(function, *arguments), limiter=threads)

    async def asked(
        image: UploadFile,
        model: str,
        centre_bias: str,
        centre_bias_file: UploadFile | None,
        pixels_per_degree: float | None,
        ticket: str,
    ) -> tuple[Question, Any]:
        """The question of a request, and its answer."""
        with queue.follow(ticket):
            pixels = await decoders.run(decode_image, await image.read(), settings)
            prior = None
            if centre_bias_file is not None and centre_bias_file.size:
                data = await centre_bias_file.read()
                prior = await decoders.run(decode_centre_bias, data, pixels.shape[:2], settings)
            question = Question(
                pixels, model or predictor.default, centre_bias, prior, pixels_per_degree
            )
            predictor.check(question, settings.max_pixels)
            key = await in_thread(lambda: question.key)
            return question, await queue.answer(
                key, lambda: predictor.log_density(question), ticket
            )

    def described(question: Question) -> dict[str, Any]:
        height, width = question.pixels.shape[:2]
        rows, columns = question.working_size
        note = (
            f"predicted as it is: models expect {PIXELS_PER_DEGREE:g} pixels per degree"
            if question.pixels_per_degree is None
            else f"resized from {width} x {height} to {columns} x {rows} pixels, which are "
            f"{PIXELS_PER_DEGREE:g} pixels per degree"
        )
        return {
            "model": question.model,
            "centre_bias": question.centre_bias,
            "height": height,
            "width": width,
            "predicted_height": rows,
            "predicted_width": columns,
            "note": note,
            "version": __version__,
        }

    @app.post(
        "/predict",
        responses={
            200: {
                "description": "json: pictures, contours, places and drawn fixations; npy: natural "
                "log of the density, float32; csv: the same in text; png: the image under its "
                "density.",
                "content": {"application/octet-stream": {}, "text/csv": {}, "image/png": {}},
            },
            **PROBLEMS,
        },
    )
    async def predict(
        image: Image,
        model: Model = "",
        centre_bias: CentreBias = "on",
        centre_bias_file: CentreBiasFile = None,
        pixels_per_degree: Resolution = None,
        format: Annotated[Literal["json", "npy", "csv", "png"], Form()] = "json",
        samples: Annotated[int, Form(ge=0, le=1000, description="fixations to draw")] = 0,
        seed: Annotated[int, Form(ge=0, lt=2**32)] = 0,
        ticket: Ticket = "",
    ) -> Response:
        """Predict an image: where people look in it."""
        question, log_density = await asked(
            image, model, centre_bias, centre_bias_file, pixels_per_degree, ticket
        )
        if format == "json":

            def content() -> dict[str, Any]:
                return {
                    **described(question),
                    "heat": answers.heat(log_density),
                    "contours": answers.contours(log_density),
                    "places": answers.places(log_density),
                    "samples": answers.samples(log_density, samples, seed),
                }

            return JSONResponse(await in_thread(content))
        if format == "npy":
            body, kind = await in_thread(npy, log_density), "application/octet-stream"
        elif format == "csv":
            body, kind = await in_thread(answers.csv, log_density), "text/csv"
        else:
            body = await in_thread(overlay, question.pixels, log_density)
            kind = "image/png"
        disposition = f'attachment; filename="prediction.{format}"'
        return Response(body, media_type=kind, headers={"content-disposition": disposition})

    @app.post("/score", responses=PROBLEMS)
    async def score(
        image: Image,
        fixations: Annotated[
            str, Form(description="CSV with the columns x,y: pixels, from the top left")
        ],
        model: Model = "",
        centre_bias: CentreBias = "on",
        centre_bias_file: CentreBiasFile = None,
        pixels_per_degree: Resolution = None,
        ticket: Ticket = "",
    ) -> JSONResponse:
        """Score fixations measured on an image under a model's prediction of it.

        Information gain is relative to the centre bias: the uploaded one, else MIT1003's.
        """
        question, log_density = await asked(
            image, model, centre_bias, centre_bias_file, pixels_per_degree, ticket
        )

        def content() -> dict[str, Any]:
            shape = question.pixels.shape[:2]
            x, y = parse_fixations(fixations, shape)
            baseline = question.prior if question.prior is not None else default_centre_bias(shape)
            return {**described(question), **answers.score(log_density, baseline, x, y)}

        return JSONResponse(await in_thread(content))

    @app.get("/models")
    def models() -> list[dict[str, Any]]:
        """The models that can be asked for, the default one first."""
        return predictor.describe()

    @app.get("/progress/{ticket}", responses={404: PROBLEMS[404]})
    async def progress(ticket: str) -> Progress:
        """How far the request is that was sent with this ticket and is not yet answered."""
        return queue.progress(ticket)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the service answers, and how many predictions wait or run."""
        return {
            "status": "ok",
            "version": __version__,
            "waiting": queue.pending,
            "queue": queue.size,
            "seconds_per_prediction": round(queue.seconds, 3),
        }

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Counters and times in Prometheus's text format."""
        return Response(prometheus_text(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(_static("page.html"))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> HTMLResponse:
        from benchmark.web.docs import docs_page

        return HTMLResponse(docs_page(app.openapi()))

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in STATIC:
            raise Problem(404, "there is no such file.")
        return Response(_static(name), media_type=STATIC[name])

    @app.get("/examples", include_in_schema=False)
    def examples() -> list[str]:
        return list(EXAMPLES)

    @app.get("/examples/{name}", include_in_schema=False)
    def example(name: str) -> Response:
        if name not in EXAMPLES:
            raise Problem(404, f"there is no such example. Known: {', '.join(EXAMPLES)}.")
        file = locate(select([name])[0])
        kind = "image/png" if file.suffix == ".png" else "image/jpeg"
        return Response(file.read_bytes(), media_type=kind)

    @app.middleware("http")
    async def measured(request: Request, call_next: Any) -> Response:
        began = time.monotonic()
        response = await call_next(request)
        route = request.scope.get("route")
        metrics.count(getattr(route, "path", "unknown"), response.status_code, began)
        return response

    app.add_middleware(Guard, settings=settings)
    return app


def _static(name: str) -> str:
    return files("benchmark.web").joinpath("static", name).read_text(encoding="utf-8")


class _Metrics:
    """Counters of a service, in a registry of its own."""

    def __init__(self, queue: Queue):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "benchmark_requests", "Requests answered", ("address", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "benchmark_request_seconds", "Time to answer", ("address",), registry=self.registry
        )
        self.queue = queue
        self.registry.register(self)  # type: ignore[arg-type]

    def count(self, address: str, status: int, began: float) -> None:
        """Count a request that began at a time of the monotonic clock."""
        self.requests.labels(address, str(status)).inc()
        self.seconds.labels(address).observe(time.monotonic() - began)

    def collect(self) -> Any:
        """The queue's state, as Prometheus asks for it."""
        yield GaugeMetricFamily(
            "benchmark_predictions_pending", "Predictions that wait or run", self.queue.pending
        )
        for name, text in {
            "computed": "Predictions computed",
            "shared": "Requests that shared a computation in flight",
            "repeated": "Requests answered from memory",
            "refused": "Requests refused because the queue was full",
            "timed_out": "Requests given up",
        }.items():
            yield CounterMetricFamily(
                f"benchmark_predictions_{name}", text, getattr(self.queue, name)
            )
