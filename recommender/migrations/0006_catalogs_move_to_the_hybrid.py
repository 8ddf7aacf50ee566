from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def move(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let catalogs that train the transformer by default train the hybrid: it was a blend too."""
    catalogs = apps.get_model("recommender", "Catalog").objects.using(schema_editor.connection.alias)
    catalogs.filter(default_model="transformer").update(default_model="hybrid")


def move_back(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give every catalog on the hybrid the transformer: which had chosen it is not known."""
    catalogs = apps.get_model("recommender", "Catalog").objects.using(schema_editor.connection.alias)
    catalogs.filter(default_model="hybrid").update(default_model="transformer")


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0005_hybrid_is_the_default"),
    ]

    operations = [migrations.RunPython(move, move_back)]
