import subprocess
import sys
from dataclasses import fields

from recommender.ml.models import MODELS
from recommender.ml.recipes import RECIPES


def test_recipes_and_models_are_the_same_names():
    assert set(RECIPES) == set(MODELS)
    assert all(RECIPES[name].name == name == model.name for name, model in MODELS.items())


def test_defaults_are_the_models_own():
    for name, model in MODELS.items():
        config = model.Config()
        own = {field.name: getattr(config, field.name) for field in fields(config)}
        assert dict(RECIPES[name].defaults) == own


def test_only_sequence_models_read_order_and_only_light_models_are_fast():
    ordered = {name for name, recipe in RECIPES.items() if recipe.is_sequential}
    assert ordered == {"slit", "ease", "caser", "transformer", "hybrid"}
    fast = {"popularity", "content", "user_knn", "item_knn", "ease", "slit", "matrix_factorization"}
    assert {name for name, recipe in RECIPES.items() if recipe.is_fast} == fast


def test_scoring_loading_and_recipes_never_import_torch():
    program = (
        "import sys, recommender.ml.artifact, recommender.ml.recipes, recommender.ml.scoring;"
        "print('torch' in sys.modules, 'onnxruntime' in sys.modules, 'django' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False", b"False"]
