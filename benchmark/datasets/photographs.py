"""Photographs that installed dependencies ship in their wheels, with objects annotated by hand.

They cost no download. The annotations say what draws the eye in each photograph, and are what
simulated observers look at; they are judgements, not measurements.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import DataError, UnknownNameError


@dataclass(frozen=True)
class SalientObject:
    """An axis-aligned ellipse in an image: centre, radii (pixels; x right, y down), and pull.

    ``pull`` is how strongly it attracts fixations, relative to other objects of the same image and
    to ``NOTHING_IN_PARTICULAR`` of ``benchmark.datasets.simulated``: about 4 for faces and eyes,
    2 for text, 1 for a conspicuous thing, 0.5 for a detail.
    """

    name: str
    x: float
    y: float
    radius_x: float
    radius_y: float
    pull: float


@dataclass(frozen=True)
class Photograph:
    """A photograph inside an installed package.

    Attributes:
        package: top-level package that ships the file, as imported.
        path: path of the file, relative to the package, with forward slashes.
        sha256: hash of the file's bytes.
    """

    package: str
    path: str
    sha256: str
    height: int
    width: int
    title: str
    licence: str
    objects: tuple[SalientObject, ...]

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        return self.file_name.rsplit(".", 1)[0]


# By package: the name to install it by, and the versions whose wheels were checked to ship the
# very files listed below.
DISTRIBUTIONS = {
    "skimage": ("scikit-image", "0.22 to 0.26"),
    "sklearn": ("scikit-learn", "1.3 to 1.9"),
    "matplotlib": ("matplotlib", "3.7 to 3.11"),
}


def locate(photograph: Photograph) -> Path:
    """Path of a photograph's file, with its content checked.

    The package is found without being imported, and nothing is downloaded.

    Raises:
        DataError: the package or the file is missing, or the file is another one.
    """
    distribution, versions = DISTRIBUTIONS[photograph.package]
    remedy = (
        f"versions {versions} of {distribution} are known to ship it: "
        f"pip install --force-reinstall {distribution}"
    )
    spec = importlib.util.find_spec(photograph.package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"{photograph.file_name}: expected in the package {photograph.package}, "
            f"which is not installed; {remedy}"
        )
    path = Path(next(iter(spec.submodule_search_locations)), *photograph.path.split("/"))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected the photograph {photograph.file_name!r} of {distribution}, but it "
            f"cannot be read ({error.strerror or error}); {remedy}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != photograph.sha256:
        raise DataError(
            f"{path}: this file changed: expected SHA-256 {photograph.sha256}, found {found}. The "
            f"annotated objects belong to the expected photograph; {remedy}"
        )
    return path


def locate_all(photographs: Sequence[Photograph]) -> list[Path]:
    """Paths of the photographs' files, in order.

    Raises:
        DataError: one or more are missing or changed; all of them are named.
    """
    paths, problems = [], []
    for photograph in photographs:
        try:
            paths.append(locate(photograph))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(*problems)
    return paths


def select(names: Sequence[str] | None = None) -> tuple[Photograph, ...]:
    """The photographs with these names (such as "camera"), in this order; all for None.

    Raises:
        UnknownNameError: there is none of a name; the message lists all.
    """
    if names is None:
        return PHOTOGRAPHS
    known = {photograph.name: photograph for photograph in PHOTOGRAPHS}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownNameError(f"unknown photograph {name!r}.{hint} Known: {', '.join(known)}.")
    return tuple(known[name] for name in names)


_Object = SalientObject
_CC0 = "CC0"
_PUBLIC = "public domain"

PHOTOGRAPHS = (
    Photograph(
        package="skimage",
        path="data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        height=512,
        width=512,
        title="Astronaut Eileen Collins (NASA)",
        licence=_PUBLIC,
        objects=(
            _Object("eyes", 224, 102, 38, 14, 4.0),
            _Object("mouth and nose", 223, 138, 28, 22, 3.0),
            _Object("mission patch with text", 170, 385, 36, 36, 2.0),
            _Object("name tag", 303, 357, 25, 18, 1.5),
            _Object("space shuttle, cockpit", 397, 125, 18, 40, 1.2),
            _Object("space shuttle, wings", 405, 215, 50, 28, 0.6),
            _Object("reflection in the helmet", 359, 441, 14, 18, 0.8),
            _Object("stars of the flag", 34, 45, 28, 36, 0.7),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/camera.png",
        sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        height=512,
        width=512,
        title="Man at a camera on a tripod (Lav Varshney)",
        licence=_CC0,
        objects=(
            _Object("face", 237, 165, 26, 30, 4.0),
            _Object("video camera", 295, 160, 33, 22, 2.5),
            _Object("hand at the camera", 318, 205, 18, 32, 1.2),
            _Object("hand at the chin", 208, 217, 38, 26, 0.8),
            _Object("head of the tripod", 300, 325, 24, 20, 0.6),
            _Object("tower", 424, 155, 14, 38, 1.0),
            _Object("domed hall", 462, 218, 45, 18, 0.5),
            _Object("pin at the collar", 181, 190, 12, 12, 0.4),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        height=300,
        width=451,
        title="Chelsea the cat (Stefan van der Walt)",
        licence=_CC0,
        objects=(
            _Object("right eye", 171, 115, 34, 31, 4.0),
            _Object("left eye", 319, 137, 24, 28, 3.5),
            _Object("nose", 262, 245, 30, 22, 3.0),
            _Object("ear", 370, 32, 22, 32, 0.6),
            _Object("stripes of the forehead", 265, 45, 50, 35, 0.6),
            _Object("whiskers", 185, 225, 35, 20, 0.4),
        ),
    ),
    Photograph(
        package="sklearn",
        path="datasets/images/china.jpg",
        sha256="8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        height=427,
        width=640,
        title="Tower of the Summer Palace (danielbuechele on Flickr)",
        licence="CC BY 2.0",
        objects=(
            _Object("finial", 206, 52, 14, 24, 1.5),
            _Object("top roof", 210, 100, 80, 34, 1.4),
            _Object("windows of the top storey", 225, 146, 75, 14, 1.0),
            _Object("middle storey", 230, 212, 90, 28, 1.8),
            _Object("lower storey", 225, 305, 100, 34, 1.5),
            _Object("corner roof", 345, 352, 28, 26, 0.6),
            _Object("bridge and island", 455, 236, 48, 12, 1.0),
            _Object("boats", 415, 275, 60, 22, 0.6),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        height=400,
        width=600,
        title="Cup of espresso (Rachel Michetti, Pikolo Espresso Bar)",
        licence=_CC0,
        objects=(
            _Object("crema", 287, 152, 78, 42, 3.0),
            _Object("bowl of the spoon", 367, 283, 40, 42, 2.5),
            _Object("handle of the cup", 225, 265, 32, 40, 1.5),
            _Object("end of the spoon", 411, 92, 14, 26, 0.8),
            _Object("rim of the cup", 285, 32, 80, 14, 0.5),
            _Object("highlight on the saucer", 460, 165, 20, 50, 0.4),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/coins.png",
        sha256="f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
        height=303,
        width=384,
        title="Greek coins from Pompeii (Brooklyn Museum Collection)",
        licence="no known copyright restrictions",
        objects=(
            _Object("coin, standing figures", 334, 43, 29, 28, 1.6),
            _Object("coin, frontal face", 212, 193, 23, 23, 2.2),
            _Object("coin, helmeted head, bright", 273, 194, 22, 22, 1.6),
            _Object("coin, large head", 347, 187, 32, 31, 1.5),
            _Object("coin, head with lion skin", 270, 119, 25, 24, 1.5),
            _Object("coin, head in profile", 102, 195, 22, 21, 1.2),
            _Object("coin, young head", 206, 124, 20, 20, 1.0),
            _Object("coin, large head, lower left", 46, 260, 28, 27, 1.2),
        ),
    ),
    Photograph(
        package="sklearn",
        path="datasets/images/flower.jpg",
        sha256="a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        height=427,
        width=640,
        title="Dahlia (vultilion on Flickr)",
        licence="CC BY 2.0",
        objects=(
            _Object("heart of the flower", 304, 222, 36, 34, 3.5),
            _Object("upper petals", 315, 135, 75, 36, 1.2),
            _Object("right petals", 405, 220, 34, 75, 0.8),
            _Object("lower petals", 310, 310, 75, 38, 0.8),
            _Object("left petals", 212, 220, 34, 75, 0.6),
            _Object("second flower", 368, 405, 70, 24, 1.5),
            _Object("bud", 600, 412, 20, 18, 0.9),
        ),
    ),
    Photograph(
        package="matplotlib",
        path="mpl-data/sample_data/grace_hopper.jpg",
        sha256="a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        height=600,
        width=512,
        title="Commodore Grace Hopper (US Navy)",
        licence=_PUBLIC,
        objects=(
            _Object("right eye", 221, 195, 32, 24, 2.6),
            _Object("left eye", 308, 190, 32, 24, 2.6),
            _Object("nose and mouth", 272, 255, 38, 36, 2.5),
            _Object("badge of the hat", 260, 65, 48, 36, 1.8),
            _Object("name tag", 122, 500, 44, 16, 2.0),
            _Object("ribbons", 393, 507, 62, 20, 1.4),
            _Object("button", 245, 587, 13, 12, 0.4),
            _Object("stars of the flag", 68, 90, 50, 32, 0.6),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/grass.png",
        sha256="b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        height=512,
        width=512,
        title="Grass with clover (linolafett on DeviantArt)",
        licence=_CC0,
        objects=(
            _Object("pale flower", 195, 167, 13, 20, 0.5),
            _Object("pale flower, lower", 185, 210, 16, 15, 0.45),
            _Object("dry blades", 312, 118, 44, 22, 0.4),
            _Object("leaf", 300, 357, 28, 20, 0.35),
            _Object("tuft", 284, 283, 14, 22, 0.3),
            _Object("round leaves", 316, 472, 15, 14, 0.3),
            _Object("pale blade", 262, 70, 10, 26, 0.25),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/hubble_deep_field.jpg",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        height=872,
        width=1000,
        title="Extreme Deep Field of the Hubble telescope (NASA)",
        licence=_PUBLIC,
        objects=(
            _Object("yellow galaxy", 726, 472, 26, 26, 2.0),
            _Object("star with rays", 753, 576, 24, 24, 2.0),
            _Object("spiral galaxy", 123, 400, 22, 24, 1.6),
            _Object("group of galaxies", 322, 318, 40, 28, 1.2),
            _Object("orange galaxy", 290, 107, 22, 18, 1.2),
            _Object("yellow galaxy, lower", 421, 716, 20, 24, 1.2),
            _Object("blue galaxy", 404, 73, 22, 16, 0.9),
            _Object("edge-on galaxy", 512, 438, 24, 16, 1.0),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/moon.png",
        sha256="78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
        height=512,
        width=512,
        title="Surface of the moon",
        licence="unknown; redistributed by scikit-image",
        objects=(
            _Object("crater", 120, 88, 28, 26, 3.0),
            _Object("bright ridge", 318, 138, 26, 48, 2.0),
            _Object("dark hole", 354, 117, 20, 20, 1.8),
            _Object("dark field", 260, 438, 40, 28, 1.8),
            _Object("small crater, upper left", 50, 34, 12, 10, 0.6),
            _Object("small crater", 182, 184, 12, 10, 0.6),
            _Object("dark spots", 230, 255, 18, 14, 0.5),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/motorcycle_left.png",
        sha256="db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        height=500,
        width=741,
        title="Motorcycle in a garage (Middlebury stereo data 2014)",
        licence="unknown; redistributed by scikit-image",
        objects=(
            _Object("headlight", 537, 155, 30, 33, 2.0),
            _Object("lettering on the tank", 424, 201, 26, 14, 1.6),
            _Object("lettering on the engine", 369, 337, 28, 26, 1.3),
            _Object("cylinder", 440, 275, 40, 36, 1.2),
            _Object("hub of the rear wheel", 203, 325, 40, 36, 0.8),
            _Object("hub of the front wheel", 590, 385, 36, 36, 0.8),
            _Object("tail light", 110, 213, 20, 16, 0.7),
            _Object("yellow can", 409, 73, 11, 19, 0.9),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/page.png",
        sha256="341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
        height=191,
        width=384,
        title="Page of a manual (scikit-image)",
        licence="unknown; redistributed by scikit-image",
        objects=(
            _Object("title, first word", 75, 22, 70, 11, 2.6),
            _Object("title, second word", 222, 22, 72, 11, 2.0),
            _Object("paragraph, left", 60, 82, 50, 34, 1.6),
            _Object("paragraph, middle", 175, 90, 60, 36, 1.4),
            _Object("paragraph, right", 310, 85, 60, 36, 1.0),
            _Object("code, left", 60, 174, 45, 8, 0.8),
            _Object("code, right", 175, 182, 66, 8, 1.1),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/retina.jpg",
        sha256="38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
        height=1411,
        width=1411,
        title="Fundus of a human eye (Mikael Häggström)",
        licence=_CC0,
        objects=(
            _Object("optic disc", 222, 655, 92, 105, 3.0),
            _Object("macula", 705, 700, 100, 95, 2.5),
            _Object("junction of vessels", 310, 405, 60, 60, 1.0),
            _Object("notch of the mask", 1180, 175, 55, 50, 1.0),
            _Object("fork, top", 610, 160, 55, 40, 0.6),
            _Object("fork, right", 1180, 390, 70, 50, 0.5),
            _Object("fork, bottom", 600, 1220, 60, 40, 0.5),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/rocket.jpg",
        sha256="c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        height=427,
        width=640,
        title="Rocket on the launch pad at dusk (SpaceX)",
        licence=_PUBLIC,
        objects=(
            _Object("nose of the rocket", 322, 155, 14, 30, 3.0),
            _Object("body of the rocket", 321, 260, 16, 70, 1.5),
            _Object("foot of the rocket", 321, 385, 28, 26, 1.0),
            _Object("light, right of the foot", 364, 395, 22, 22, 1.3),
            _Object("light, left of the foot", 193, 394, 20, 20, 1.0),
            _Object("light, far left", 150, 376, 20, 20, 0.9),
            _Object("light, white, right", 450, 418, 16, 12, 0.7),
            _Object("light, white, left", 111, 417, 18, 14, 0.8),
        ),
    ),
    Photograph(
        package="skimage",
        path="data/text.png",
        sha256="bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
        height=172,
        width=448,
        title="Handwriting seen at a slant (Wikipedia)",
        licence=_PUBLIC,
        objects=(
            _Object("loop and letter, left", 35, 70, 36, 16, 1.4),
            _Object("letter, top", 205, 8, 36, 11, 1.0),
            _Object("letter under an arc", 137, 38, 32, 15, 1.3),
            _Object("letter, middle", 195, 65, 24, 10, 1.2),
            _Object("loop of the arrow", 266, 75, 22, 9, 1.5),
            _Object("letter, lower left", 88, 157, 34, 14, 1.3),
            _Object("letter, lower middle", 200, 155, 30, 13, 1.4),
            _Object("letter, right", 417, 88, 30, 11, 1.2),
        ),
    ),
)
