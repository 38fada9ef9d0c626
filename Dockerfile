# The venue's image, for every process of it: `docker build -t fixserver .`
#
# QuickFIX comes as C++ source and takes five minutes to compile. It is a stage of its own, which depends on nothing but its
# version, so that it is built once. What runs has no compiler, no pip and no root.

ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

# ---- what is needed, and which QuickFIX: the next stages are built anew when that changes, and not when the files do in other parts
FROM ${PYTHON_IMAGE} AS pinned
WORKDIR /build
COPY requirements.lock pyproject.toml ./
RUN grep '^quickfix==' requirements.lock > quickfix.txt \
 && python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > needed.txt

# ---- QuickFIX as a wheel
FROM ${PYTHON_IMAGE} AS quickfix
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
COPY --from=pinned /build/quickfix.txt /build/
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels -r /build/quickfix.txt

# ---- a virtual environment with what the venue needs to run, in the versions that the tests passed with
FROM ${PYTHON_IMAGE} AS installed
RUN python3 -m venv /opt/fixserver
COPY --from=quickfix /wheels /wheels
WORKDIR /build
COPY --from=pinned /build/needed.txt /build/requirements.lock ./
RUN /opt/fixserver/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
 && /opt/fixserver/bin/pip install --no-cache-dir --constraint requirements.lock -r needed.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY matching matching
COPY following following
COPY clearing clearing
COPY marketdata marketdata
COPY fixserver fixserver
RUN /opt/fixserver/bin/pip install --no-cache-dir --no-deps . \
 && /opt/fixserver/bin/python -m compileall -q /opt/fixserver/lib \
 && /opt/fixserver/bin/pip uninstall -q -y pip

# ---- what runs
FROM ${PYTHON_IMAGE} AS runtime
# The number is fixed, because it owns the files in the volumes. What is mounted on /srv/fixserver/data, and below, begins as here.
RUN groupadd --gid 10001 fixserver \
 && useradd --uid 10001 --gid 10001 --home-dir /srv/fixserver --no-create-home --shell /usr/sbin/nologin fixserver \
 && install -d -o fixserver -g fixserver -m 0750 /srv/fixserver/data /srv/fixserver/backups \
 && cd /srv/fixserver/data && install -d -o fixserver -g fixserver -m 0750 journal events sessions snapshots
COPY --from=installed /opt/fixserver /opt/fixserver
COPY config /srv/fixserver/config
ENV PATH=/opt/fixserver/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp
USER 10001:10001
# What commands look for unless told otherwise lies here: config/exchange.toml and data.
WORKDIR /srv/fixserver
ENTRYPOINT ["fixserver"]
CMD ["--help"]
