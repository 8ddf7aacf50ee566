"""Pretrained encoders behind one small interface."""

ENCODERS = ("bundled:use", "hashing")
