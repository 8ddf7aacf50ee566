"""Give what a visitor did before signing up to the new account."""

from collections.abc import Iterable

from django.db import transaction

from recommender import clock
from recommender.accounts.models import Account
from recommender.collect.models import User


@transaction.atomic
def claim_visitors(*, account: Account, keys: Iterable[int]) -> int:
    """Tie the visitor's users, one per catalog, to a new account; return how many were tied.

    A user that has an account already is left alone, and so is a catalog where this one is known.
    """
    known = User.objects.filter(account=account).values_list("catalog_id")
    free = User.objects.filter(pk__in=list(keys), account=None).exclude(catalog_id__in=known)
    return free.update(account=account, updated_at=clock.now())
