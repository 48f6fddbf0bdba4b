"""The window as a film or as pictures: every picture is drawn for its own moment, however long that takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Protocol

from PIL import Image

from paig_control.border import files
from paig_control.border.files import whole
from paig_control.errors import PaigError
from paig_control.viewer.commands import Command
from paig_control.viewer.session import Session
from paig_control.viewer.snapshot import Frame
from paig_control.viewer.window import Window

FORMS = ".gif, .mp4, .png for the last picture alone, or a folder's name for one .png a picture"


class Lockstep:
    """A session that goes on exactly when it is told to.

    Args:
        session: to run.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.latest = session, session.snapshot()
        self._due = session.world.dt / session.pace

    def ask(self, command: Command) -> None:
        """Obey at once."""
        self.session.obey(command)
        self.latest = self.session.snapshot()

    def go_on(self, clock: float) -> None:
        """Take the steps that are due at a moment, s."""
        while self._due <= clock:
            if not self.session.paused:
                self.session.advance(self._due)
                self.latest = self.session.snapshot()
            self._due += self.session.world.dt / self.session.pace


class Writer(Protocol):
    """Takes pictures one after the other."""

    def add(self, picture: Frame) -> None:
        """Take a picture ``(h, w, 3)``, uint8."""
        ...

    def close(self) -> None:
        """Write what is not written yet."""
        ...


class Pipe(Protocol):
    """What imageio-ffmpeg gives to send pictures to."""

    def send(self, value: bytes | None) -> None:
        """Send one."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Gif:
    """An animation that any browser plays."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.duration = path, max(20, round(1000 / rate))
        self._pictures: list[Image.Image] = []

    def add(self, picture: Frame) -> None:
        """Keep it with 128 colours."""
        self._pictures.append(Image.fromarray(picture).quantize(128, dither=Image.Dither.NONE))

    def close(self) -> None:
        """Write the file."""
        if not self._pictures:
            return
        first, *others = self._pictures
        with whole(self.path) as new:
            first.save(new, save_all=True, append_images=others, duration=self.duration, loop=0, optimize=True)


class Mp4:
    """A film, by imageio-ffmpeg."""

    def __init__(self, path: Path, rate: float) -> None:
        self._ffmpeg = _ffmpeg()
        self.path, self.rate = path, rate
        self._pipe: Pipe | None = None
        self._whole, self._count = whole(path), 0

    def add(self, picture: Frame) -> None:
        """Hand it to ffmpeg, an even number of pixels each way."""
        height, width = (n - n % 2 for n in picture.shape[:2])
        try:
            if self._pipe is None:
                self._new = str(self._whole.__enter__())
                self._pipe = self._ffmpeg.write_frames(
                    self._new, (width, height), fps=self.rate, macro_block_size=2, quality=8, ffmpeg_log_level="quiet"
                )
                self._pipe.send(None)
            self._pipe.send(picture[:height, :width].tobytes())
        except OSError as error:  # with a page of ffmpeg's own words
            raise self._failed() from error
        self._count += 1

    def close(self) -> None:
        """Let ffmpeg finish."""
        if self._pipe is None:
            return
        self._pipe.close()
        try:
            played: int = self._ffmpeg.count_frames_and_secs(self._new)[0]
        except (OSError, RuntimeError) as error:
            raise self._failed() from error
        if played != self._count:
            raise self._failed()
        self._whole.__exit__(None, None, None)

    def _failed(self) -> PaigError:
        """Ffmpeg, which does not tell when the disk is full, has left less than was drawn; it is taken away."""
        files.remove(Path(self._new))
        return PaigError(
            f"ffmpeg could not write {self.path} to its end: free some space, choose a folder that you may write to, "
            "or record a .gif."
        )


class Pngs:
    """One file a picture, numbered."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._count = folder, 0

    def add(self, picture: Frame) -> None:
        """Write the next."""
        with whole(self.folder / f"{self._count:05d}.png") as new:
            Image.fromarray(picture).save(new)
        self._count += 1

    def close(self) -> None:
        """All is written."""


class Last:
    """The last picture alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._picture: Frame | None = None

    def add(self, picture: Frame) -> None:
        """Keep it instead of the one before."""
        self._picture = picture

    def close(self) -> None:
        """Write the file."""
        if self._picture is not None:
            with whole(self.path) as new:
                Image.fromarray(self._picture).save(new)


def _ffmpeg() -> ModuleType:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        missing = "An .mp4 needs a package that is not installed"
        raise PaigError(f"{missing}: pip install imageio-ffmpeg, or record a .gif.") from error
    try:
        imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise PaigError(
            "imageio-ffmpeg brings no ffmpeg for this machine: install ffmpeg, set IMAGEIO_FFMPEG_EXE to where it is, "
            "or record a .gif."
        ) from error
    module: ModuleType = imageio_ffmpeg
    return module


def writer(path: Path, rate: float) -> Writer:
    """What writes a recording of this name, at so many pictures a second.

    Raises:
        PaigError: for a name that no form of recording has, or a form that needs what is not installed.
    """
    makers: dict[str, Callable[[], Writer]] = {
        ".gif": lambda: Gif(path, rate),
        ".mp4": lambda: Mp4(path, rate),
        ".png": lambda: Last(path),
        "": lambda: Pngs(path),
    }
    make = makers.get(path.suffix.lower())
    if make is None:
        raise PaigError(f"record={path}: expected a name that ends in {FORMS}.")
    files.writable(path.parent if path.suffix else path)
    return make()


def record(source: Lockstep, window: Window, to: Writer, seconds: float, rate: float) -> None:
    """Draw ``rate`` pictures for every second of a window's session, until the user closes it."""
    for index in range(max(1, round(seconds * rate))):
        source.go_on(index / rate)
        window.frame(index / rate)
        to.add(window.picture())
        if not window.open:
            break
    to.close()
