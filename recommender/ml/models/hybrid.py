"""Blend a transformer with models that err elsewhere; a later window says how much of each."""

from collections.abc import Iterator
from dataclasses import dataclass

from recommender.ml.blending import CONTENT, collect, fit_new_weight, fit_weights
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.content import Content, ContentConfig
from recommender.ml.models.ease import EASE, EASEConfig
from recommender.ml.models.item_knn import ItemKNN
from recommender.ml.models.popularity import Popularity
from recommender.ml.models.slit import Slit
from recommender.ml.models.transformer import Transformer, TransformerConfig
from recommender.ml.scorers.blend import NEW_WEIGHT, WEIGHT, BlendScorer
from recommender.ml.scorers.kind import UNDER
from recommender.ml.validation import watch

# Shares of `member_weight`: what validation picks from, and what stands where there is none.
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3)
USUAL = {"transitions": 0.15, "neighbors": 0.3, "content": 0.0, "popularity": 0.0}
NEW_SHARES = (0.0, 0.25, 0.5, 1.0)  # of content, for items that nobody has touched
NEW_USUAL = 0.5
CONTENT_TRACE = 0.1  # of popularity in content: it is a member of its own


@dataclass(frozen=True)
class HybridConfig(TransformerConfig):
    """Set the transformer, and how much the other members may count."""

    member_weight: float = 1.0  # scales the weights tried; one member's may be 1.3 times this
    max_items: int = 6_000  # of EASE; beyond it item neighbors, which need no square table


class Hybrid(Transformer):
    """Add standardized scores of simpler models to a transformer's (Burke 2002, section 3).

    Members: item transitions (SLIT), EASE, content, popularity. All learn from the same data; only
    the weights are fitted on the validation window, and the usual ones stand where there is none.
    Of items that nobody has touched only the tower and content speak. A catalog with more than
    `max_items` items takes item neighbors in EASE's place. A warm start refines the transformer of
    an earlier hybrid; the other members take seconds and are fitted anew.
    """

    name = "hybrid"
    Config = HybridConfig
    config: HybridConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        self._members = self._fitted_members(data, options.seed)
        unit = self.config.member_weight
        self.weights = {name: USUAL[name] * unit for name in self._members}
        self.content_of_new = NEW_USUAL * unit
        yield from super()._epochs(data, options)
        watched = watch(data, options.validation, options.seed)
        scorer = self.scorer()
        if watched is None or not isinstance(scorer, BlendScorer) or options.should_stop():
            return
        grid = [share * unit for share in SHARES]
        self.weights = fit_weights(collect(scorer, watched), self.weights, grid)
        both = data if options.validation is None else data.followed_by(options.validation)
        grid = [share * unit for share in NEW_SHARES]
        self.content_of_new = fit_new_weight(scorer, watched, both, self.content_of_new, grid)

    def _fitted_members(self, data: Interactions, seed: int) -> dict[str, Export]:
        is_small = data.n_items <= self.config.max_items
        neighbors: Recommender = (
            EASE(EASEConfig(max_items=self.config.max_items), threads=self.threads)
            if is_small
            else ItemKNN(threads=self.threads)
        )
        models = {
            "transitions": Slit(threads=self.threads),
            "neighbors": neighbors,
            "content": Content(ContentConfig(popularity_weight=CONTENT_TRACE)),
            "popularity": Popularity(),
        }
        members = {}
        for name, model in models.items():
            for _ in model.fit(data, seed=seed):
                pass
            members[name] = model.exported()
        return members

    def _export(self, data: Interactions) -> Export:
        tower = super()._export(data)
        numbers, arrays = dict(tower.scoring), dict(tower.arrays)
        # Only what each member looks like to others differs, and in a blend nobody asks for it.
        arrays["vectors"] = self._members["content"].arrays["vectors"]
        for name, member in self._members.items():
            of_new = self.content_of_new if name == CONTENT else 0.0
            own = {**member.scoring, WEIGHT: self.weights[name], NEW_WEIGHT: of_new}
            numbers |= {name + UNDER + key: value for key, value in own.items()}
            arrays |= {
                name + UNDER + stem: array
                for stem, array in member.arrays.items()
                if stem != "vectors"
            }
        kinds = {name: member.kind for name, member in self._members.items()}
        return Export("blend", numbers, arrays, tower.raw, kinds)
