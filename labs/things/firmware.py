"""Firmware images: for which model, which version, and signed by its maker.

The signature stands for that of a real maker: a digest that only the maker's key makes. A changed image does not fit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from labs.things.library.model import Model

__all__ = ["INSTALLED", "FirmwareError", "Image", "checked_image", "image_path", "image_text", "is_installed", "newer"]

MAGIC = "firmware image 1"
INSTALLED = "/var/lib/firmware/installed.img"
"""The image that a device runs, kept where its own updater puts it."""


class FirmwareError(ValueError):
    """An image that is not installed, in one line."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself."""

    model: str
    version: str
    body: str
    signature: str


def _signature(model: str, version: str, body: str) -> str:
    return hashlib.sha256(f"maker of {model}\n{version}\n{body}".encode()).hexdigest()


def image_path(model: Model, version: str) -> str:
    """Where a device keeps an image that it fetched."""
    return f"/var/lib/firmware/{model.name}-{version}.img"


def image_text(model: Model, version: str) -> str:
    """An image as its maker publishes it."""
    body = hashlib.sha256(f"{model.name} {version}".encode()).hexdigest()
    return (
        f"{MAGIC}\nmodel: {model.name}\nversion: {version}\nbody: {body}\n"
        f"signature: {_signature(model.name, version, body)}\n"
    )


def newer(one: str, other: str) -> bool:
    """True where version `one` comes after `other`."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else -1 for part in version.split("."))


def _image(text: str) -> Image:
    lines = text.splitlines()
    found = dict(line.partition(": ")[::2] for line in lines[1:])
    if not lines or lines[0] != MAGIC or not {"model", "version", "body", "signature"} <= found.keys():
        message = "not a firmware image"
        raise FirmwareError(message)
    return Image(found["model"], found["version"], found["body"], found["signature"])


def is_installed(text: str, version: str) -> bool:
    """Whether the image that a device keeps as the installed one is of this version."""
    try:
        return _image(text).version == version
    except FirmwareError:
        return False


def checked_image(text: str, model: Model, installed: str, *, verify: bool) -> Image:
    """The image, where it may be installed. Raises FirmwareError: another model, older, or a wrong signature."""
    image = _image(text)
    if image.model != model.name:
        message = f"the image is for {image.model}, this is a {model.name}"
        raise FirmwareError(message)
    if verify and image.signature != _signature(image.model, image.version, image.body):
        message = "the signature of the image is not that of the maker"
        raise FirmwareError(message)
    if installed and not newer(image.version, installed):
        message = f"version {image.version} is not newer than {installed}, which is installed"
        raise FirmwareError(message)
    return image
