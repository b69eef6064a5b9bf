"""The application: addresses, what they take and what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client import generate_latest as prometheus_text
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from benchmark import __version__
from benchmark.datasets.photographs import locate, select
from benchmark.predict import npy
from benchmark.report.plots.overlay import overlay
from benchmark.web import answers
from benchmark.web.attend import Left, attend, unforeseen
from benchmark.web.guard import HEADERS, Guard
from benchmark.web.measured import Measured, Metrics
from benchmark.web.predictor import Predictor, Question, default_centre_bias
from benchmark.web.problem import Problem
from benchmark.web.queue import Desk, Progress, Queue
from benchmark.web.settings import Settings
from benchmark.web.size import reduced
from benchmark.web.upload import decode_centre_bias, decode_image, parse_fixations

STATIC = {
    "page.js": "text/javascript",
    "page.css": "text/css",
    "docs.css": "text/css",
}
EXAMPLES = ("astronaut", "coffee", "chelsea", "rocket")
#: Images that are decoded at a time, and answers that are drawn.
THREADS = 2
#: How a page is read; monitors ask for its head alone.
READ = ["GET", "HEAD"]
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
        500: "The service failed.",
        503: "There is not enough memory.",
        504: "The request took too long.",
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
    queue = Queue(settings.queue, settings.kept_bytes)
    desk = Desk(THREADS, settings.desk)
    metrics = Metrics(queue)
    # uploads stay in memory: their size is limited before they are parsed
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, settings.max_bytes + 1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        queue.close()
        desk.close()

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

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        told = unforeseen(error)  # outside of the guard, so that its headers are added here
        return JSONResponse({"detail": told.message}, told.status, HEADERS)

    async def attended(
        request: Request, ticket: str, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The answer of a request that is followed, and dropped when nobody waits for it."""
        with queue.follow(ticket):
            try:
                return await attend(request, work, settings.timeout)
            except Left:
                queue.left += 1
                return Response(status_code=499)  # read by nobody, and counted
            except asyncio.TimeoutError as error:
                queue.timed_out += 1
                raise Problem(
                    504,
                    f"the answer took longer than {settings.timeout:g} s: try a smaller image.",
                ) from error

    async def understood(
        image: UploadFile,
        model: str,
        centre_bias: str,
        centre_bias_file: UploadFile | None,
        pixels_per_degree: float | None,
    ) -> Question:
        """The question that a request asks."""

        def decoded(data: bytes) -> tuple[tuple[int, int], Any]:
            pixels = decode_image(data, settings)
            height, width = pixels.shape[:2]
            return (height, width), reduced(pixels, settings.working_pixels)

        uploaded = await image.read()
        desk.admit()
        source, pixels = await desk.do(decoded, uploaded)
        prior = None
        if centre_bias_file is not None and centre_bias_file.size:
            data = await centre_bias_file.read()
            size = pixels.shape[:2]
            prior = await desk.do(decode_centre_bias, data, size, settings)
        question = Question(
            pixels,
            model or predictor.default,
            centre_bias,
            prior,
            pixels_per_degree,
            source,
            settings.working_pixels,
        )
        predictor.check(question)
        return question

    async def predicted(question: Question, ticket: str) -> Any:
        key = await desk.do(lambda: question.key)
        return await queue.answer(key, lambda: predictor.log_density(question), ticket)

    def described(question: Question) -> dict[str, Any]:
        height, width = question.source
        rows, columns = question.working_size
        return {
            "model": question.model,
            "centre_bias": predictor.centre_bias(question),
            "height": height,
            "width": width,
            "predicted_height": rows,
            "predicted_width": columns,
            "density_height": question.size[0],
            "density_width": question.size[1],
            "note": question.note,
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
        request: Request,
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
        """Predict an image: where people look in it.

        An image of more pixels than the service predicts is reduced, and npy, CSV and PNG are of
        the reduced size; places, contours and drawn fixations are in pixels of the image sent. The
        answer says so: "note" in JSON, else the header Prediction-Note.
        """

        async def work() -> Response:
            question = await understood(
                image, model, centre_bias, centre_bias_file, pixels_per_degree
            )
            log_density = await predicted(question, ticket)

            def content() -> dict[str, Any]:
                return {
                    **described(question),
                    "heat": answers.heat(log_density),
                    "contours": answers.contours(log_density, question.source),
                    "places": answers.places(log_density, question.source),
                    "samples": answers.samples(log_density, samples, seed, question.source),
                }

            if format == "json":
                return JSONResponse(await desk.do(content))
            if format == "npy":
                body = await desk.do(npy, log_density)
                kind = "application/octet-stream"
            elif format == "csv":
                body = await desk.do(answers.csv, log_density)
                kind = "text/csv"
            else:
                body = await desk.do(overlay, question.pixels, log_density)
                kind = "image/png"
            headers = {
                "content-disposition": f'attachment; filename="prediction.{format}"',
                "prediction-note": question.note,
            }
            return Response(body, media_type=kind, headers=headers)

        return await attended(request, ticket, work)

    @app.post("/score", responses=PROBLEMS)
    async def score(
        request: Request,
        image: Image,
        fixations: Annotated[
            str,
            Form(
                description="CSV with the columns x,y: pixels of the image, from the top left; up "
                "to 1 MiB, else as a file"
            ),
        ] = "",
        fixations_file: Annotated[
            UploadFile | None, File(description="the same CSV as a file")
        ] = None,
        model: Model = "",
        centre_bias: CentreBias = "on",
        centre_bias_file: CentreBiasFile = None,
        pixels_per_degree: Resolution = None,
        ticket: Ticket = "",
    ) -> Response:
        """Score fixations measured on an image under a model's prediction of it.

        Information gain is relative to the centre bias: the uploaded one, else MIT1003's. Of an
        image of more pixels than the service predicts, the reduced density is scored.
        """

        async def work() -> Response:
            text = await fixations_text(fixations, fixations_file)
            question = await understood(
                image, model, centre_bias, centre_bias_file, pixels_per_degree
            )
            x, y = await desk.do(parse_fixations, text, question.source)
            log_density = await predicted(question, ticket)

            def content() -> dict[str, Any]:
                baseline = question.prior
                if baseline is None:
                    baseline = default_centre_bias(question.size)
                scores = answers.score(log_density, baseline, x, y, question.source)
                return {**described(question), **scores}

            return JSONResponse(await desk.do(content))

        return await attended(request, ticket, work)

    @app.post(
        "/preview",
        response_class=Response,
        responses={
            200: {
                "description": f"png: the image, at most {answers.SIDE} pixels a side.",
                "content": {"image/png": {}},
            },
            **PROBLEMS,
        },
    )
    async def preview(request: Request, image: Image) -> Response:
        """The image as it is predicted: decoded, and turned as its EXIF orientation says."""

        async def work() -> Response:
            data = await image.read()
            desk.admit()
            body = await desk.do(lambda: answers.preview(decode_image(data, settings)))
            return Response(body, media_type="image/png")

        return await attended(request, "", work)

    @app.get("/models")
    def models() -> list[dict[str, Any]]:
        """The models that can be asked for, the default one first."""
        return predictor.describe()

    @app.get("/progress/{ticket}", responses={404: PROBLEMS[404]})
    async def progress(ticket: str) -> Progress:
        """How far the request is that was sent with this ticket and is not yet answered."""
        return queue.progress(ticket)

    @app.head("/health", include_in_schema=False)
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

    @app.api_route("/", methods=READ, response_class=HTMLResponse, include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(_static("page.html"))

    @app.api_route("/docs", methods=READ, response_class=HTMLResponse, include_in_schema=False)
    def docs() -> HTMLResponse:
        from benchmark.web.docs import docs_page

        return HTMLResponse(docs_page(app.openapi()))

    @app.api_route("/static/{name}", methods=READ, include_in_schema=False)
    def static(name: str) -> Response:
        if name not in STATIC:
            raise Problem(404, "there is no such file.")
        return Response(_static(name), media_type=STATIC[name])

    @app.api_route("/examples", methods=READ, include_in_schema=False)
    def examples() -> list[str]:
        return list(EXAMPLES)

    @app.api_route("/examples/{name}", methods=READ, include_in_schema=False)
    def example(name: str) -> Response:
        if name not in EXAMPLES:
            raise Problem(404, f"there is no such example. Known: {', '.join(EXAMPLES)}.")
        file = locate(select([name])[0])
        kind = "image/png" if file.suffix == ".png" else "image/jpeg"
        return Response(file.read_bytes(), media_type=kind)

    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured, metrics=metrics)  # outermost: what the guard refuses counts, too
    return app


def _static(name: str) -> str:
    return files("benchmark.web").joinpath("static", name).read_text(encoding="utf-8")


async def fixations_text(text: str, file: UploadFile | None) -> str:
    """The CSV of a request, from its field or its file.

    Raises:
        Problem: there are both, or the file is no text in UTF-8 (422).
    """
    if file is None or not file.size:
        return text
    if text.strip():
        raise Problem(422, "send the fixations as fixations or as fixations_file, not as both.")
    try:
        return (await file.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(422, "the file of fixations is no text in UTF-8: save it as CSV.") from error
