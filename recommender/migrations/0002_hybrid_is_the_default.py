from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="catalog",
            name="default_model",
            field=models.CharField(default="hybrid", max_length=32),
        ),
    ]
