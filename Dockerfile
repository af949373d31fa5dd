# A server for a run that is mounted at /run, of this repository alone:
#
#     docker build --tag nmt .
#     docker run --rm --publish 127.0.0.1:5000:5000 --volume "$PWD/runs/mine/onnx:/run:ro" nmt
#
# More arguments go to `nmt serve`. The run must hold its ONNX export, as training leaves it: TensorFlow is not installed.
FROM python:3.12-slim

WORKDIR /nmt
COPY setup.cfg pyproject.toml README.md LICENSE requirements-translate.txt ./
COPY nmt nmt
# The package by itself, and what serving needs; what only training needs would make the image five times as large.
RUN pip install --no-cache-dir --no-deps . \
    && pip install --no-cache-dir -r requirements-translate.txt \
        fastapi h11 uvicorn prometheus-client python-multipart py3langid \
        lxml markdown-it-py polib 'pypdf[crypto]'

USER nobody
EXPOSE 5000
ENTRYPOINT ["nmt", "serve", "/run", "--host", "0.0.0.0"]
