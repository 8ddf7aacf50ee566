"""File formats that catalogs are imported from."""

from collections.abc import Mapping

from recommender.catalog.formats.base import Format
from recommender.catalog.formats.generic import Csv, Jsonl
from recommender.catalog.formats.movielens import MovieLens1M, MovieLens100K, MovieLensLatest

FORMATS: Mapping[str, Format] = {
    "movielens-100k": MovieLens100K(),
    "movielens-1m": MovieLens1M(),
    "movielens-latest": MovieLensLatest(),
    "csv": Csv(),
    "jsonl": Jsonl(),
}
