# One image for web, worker and scheduler; the command decides.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RECLOOP_DATA=/data BIND_HOST=0.0.0.0 LOG_JSON=1
RUN useradd --create-home --uid 10001 recloop && mkdir /data && chown recloop /data
WORKDIR /app
COPY requirements.txt requirements-cluster.txt requirements-demo.txt constraints.txt ./
# PIP_EXTRA_INDEX_URL may name PyTorch's CPU index; without it pip installs the CUDA build.
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install --no-cache-dir -r requirements.txt -r requirements-cluster.txt -c constraints.txt \
 && pip install --no-cache-dir --no-deps --require-hashes -r requirements-demo.txt
COPY . .
RUN SECRET_KEY=only-for-collecting-static-files-000 TOKEN_KEY=only-for-collecting-static-files-000 \
    python manage.py collectstatic --noinput --verbosity 0 && touch build/static/collected
USER recloop
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/api/v1/health/live', timeout=2)"]
CMD ["python", "manage.py", "web"]
