"""All models by name. Importing this imports torch; `ml/recipes.py` lists them without it."""

from collections.abc import Mapping

from recommender.ml.models.base import Recommender
from recommender.ml.models.caser import Caser
from recommender.ml.models.content import Content
from recommender.ml.models.ease import EASE
from recommender.ml.models.hybrid import Hybrid
from recommender.ml.models.item_knn import ItemKNN
from recommender.ml.models.matrix_factorization import MatrixFactorization
from recommender.ml.models.neumf import NeuMF
from recommender.ml.models.popularity import Popularity
from recommender.ml.models.slit import Slit
from recommender.ml.models.transformer import Transformer
from recommender.ml.models.two_tower import TwoTower
from recommender.ml.models.user_knn import UserKNN

MODELS: Mapping[str, type[Recommender]] = {
    model.name: model
    for model in (
        Popularity,
        Content,
        UserKNN,
        ItemKNN,
        EASE,
        Slit,
        MatrixFactorization,
        NeuMF,
        TwoTower,
        Caser,
        Transformer,
        Hybrid,
    )
}
