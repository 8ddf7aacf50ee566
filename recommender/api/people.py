"""Make sure that whoever gets a list has a row, so that what they click can be credited to them."""

from functools import lru_cache

from django.db import OperationalError

from recommender.accounts.models import ApiKey
from recommender.catalog.models import Catalog
from recommender.collect.services import UserInput, anonymous_user, find_user, put_users


def known(key: ApiKey, user: str | None, session_id: str) -> str | None:
    """Return the outside id to serve, creating the row on first sight of a person.

    None when the request names nobody. Costs no query for people that this process has seen, since
    the hot path may not spend a statement on what almost never happens.
    """
    if user is None and not session_id:
        return None
    try:
        if user is None:
            return _visitor(key.catalog_id, session_id)
        return _remembered(key.catalog_id, user)
    except OperationalError:  # a list without credit is better than no list
        return user


@lru_cache(maxsize=100_000)
def _remembered(catalog_id: int, external_id: str) -> str:
    catalog = Catalog(pk=catalog_id)
    if find_user(catalog, external_id) is None:
        put_users(catalog=catalog, users=[UserInput(external_id)])
    return external_id


@lru_cache(maxsize=100_000)
def _visitor(catalog_id: int, session_id: str) -> str:
    return anonymous_user(catalog=Catalog(pk=catalog_id), session_key=session_id).external_id


def forget() -> None:
    """Drop what is remembered: a user was erased, or a test begins."""
    _remembered.cache_clear()
    _visitor.cache_clear()
