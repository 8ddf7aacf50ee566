"""The Celery app: settings from Django under the CELERY_ prefix, tasks from `recommender.tasks`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")
# The web start runs the system checks; in a worker they would load every page and template too.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
app = Celery("recsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    # Publishing happens while a request waits; a broker that is away must say so at once.
    broker_connection_timeout=2.0,
    worker_lost_wait=2.0,  # how long a killed child's result may still be on its way
    broker_connection_max_retries=None,  # a worker waits for its broker however long it takes
)
if app.conf.broker_url == "memory://":
    # The embedded queue: how often a worker looks into its own memory.
    app.conf.broker_transport_options = {"polling_interval": 0.05}
else:
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "max_retries": 1,  # of a publisher; kombu's own default goes on until the timeout
        "interval_start": 0.0,
        "interval_max": 0.1,
        "socket_connect_timeout": 2.0,
    }
app.autodiscover_tasks(["recommender"])
