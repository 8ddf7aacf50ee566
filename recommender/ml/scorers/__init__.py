"""All kinds of scorer by name: what an artifact's manifest may call its model."""

from collections.abc import Mapping

from recommender.ml.scorers.blend import BLEND
from recommender.ml.scorers.fold_in import FOLD_IN
from recommender.ml.scorers.kind import ScorerKind
from recommender.ml.scorers.neighbors import NEIGHBORS
from recommender.ml.scorers.pair import PAIRS
from recommender.ml.scorers.popularity import POPULARITY
from recommender.ml.scorers.profile import PROFILE
from recommender.ml.scorers.tower import TOWERS
from recommender.ml.scorers.transitions import TRANSITIONS
from recommender.ml.scorers.user_neighbors import USER_NEIGHBORS

SCORERS: Mapping[str, ScorerKind] = {
    kind.name: kind
    for kind in (
        POPULARITY,
        PROFILE,
        NEIGHBORS,
        USER_NEIGHBORS,
        FOLD_IN,
        TOWERS,
        PAIRS,
        TRANSITIONS,
        BLEND,
    )
}
