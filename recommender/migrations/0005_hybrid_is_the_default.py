from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0002_evaluation_cold"),
        ("recommender", "0004_variants_of_versions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="catalog",
            name="default_model",
            field=models.CharField(default="hybrid", max_length=32),
        ),
    ]
