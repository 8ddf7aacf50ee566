"""Open pictures that strangers made: limits first, then the header, then the pixels."""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from recommender.ml.encoders.base import Source, Unreadable

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")  # other decoders of Pillow are not let near strangers
MOST_BYTES = 10_000_000
MOST_PIXELS = 30_000_000  # a small file can unpack to gigabytes
MOST_SIDE = 20_000
ENOUGH = (512, 512)  # a JPEG is decoded no larger than needed

Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def read_picture(source: Source) -> Image.Image:
    """Return a picture in RGB, turned upright, what is transparent on white; frame 1 of several.

    Raises: Unreadable, saying what is wrong, for anything that is not a whole picture in one of
        `FORMATS` within the limits.
    """
    data = read_bytes(source, MOST_BYTES)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            _check_size(*picture.size)
            picture.draft("RGB", ENOUGH)
            picture.load()
            return _on_white(ImageOps.exif_transpose(picture))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"It is none of {', '.join(FORMATS)}.") from None
    except Exception as error:  # what a decoder raises at broken data is anything at all
        raise Unreadable(f"It is no whole picture ({_words(error)}).") from None


def read_bytes(source: Source, most: int) -> bytes:
    """Return a file's content; at most one byte more than the limit is read.

    Raises: Unreadable when it is missing, empty or too large.
    """
    if isinstance(source, bytes):
        data = source
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(most + 1)
        except OSError as error:
            raise Unreadable(f"The file cannot be opened ({error.strerror}).") from None
    if not data:
        raise Unreadable("The file is empty.")
    if len(data) > most:
        raise Unreadable(f"The file has more than {most // 1_000_000} MB, the most that is read.")
    return data


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise Unreadable(
            f"It has {width} × {height} pixels; at most {MOST_PIXELS // 1_000_000} million are "
            f"read, and {MOST_SIDE} on a side."
        )


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _words(error: Exception) -> str:
    return str(error)[:100] or type(error).__name__
