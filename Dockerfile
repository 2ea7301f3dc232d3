# The server as an image. Stages: build (everything that compiles), cpu (what is served).
#
#   docker build --target cpu -t videodiffcr:cpu .
#
# BASE is any Debian 12 with apt. What runs is what the .deb holds, and its dependencies are what dpkg-shlibdeps found,
# so image and package cannot differ. docs/operating.md says how to run it and what it is made of.
# checkov:skip=CKV_DOCKER_7:BASE has a version; checkov does not read ARG
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /source
# Set-up alone first: it changes rarely, so that its layer, LibTorch with it, is built once.
COPY tools/setup.sh tools/debian_packages.txt tools/pypi_binaries.txt tools/pypi_sources.txt tools/
RUN tools/setup.sh --package
COPY . .
RUN cmake --preset package && cmake --build --preset package \
    && cd build/package && cpack && mkdir -p /packages && mv *.deb /packages/

FROM ${BASE} AS cpu
LABEL org.opencontainers.image.title="VideoDiffCR Server" \
      org.opencontainers.image.description="Streams text-to-video over gRPC; model on the CPU" \
      org.opencontainers.image.documentation="/usr/share/doc/videodiffcr/operating.md"
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /packages/*.deb \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*
# By number, so that a platform that wants to see a non-root user sees one.
USER 64000:64000
WORKDIR /
# Calls, Prometheus, health and reflection. In a container the network decides who reaches them.
EXPOSE 50051 9464 50052
STOPSIGNAL SIGTERM
ENTRYPOINT ["videodiffcr-server"]
CMD ["--model-folder=/usr/share/videodiffcr/models/tiny", "--listen=[::]:50051", "--metrics-listen=[::]:9464", "--admin-listen=[::]:50052"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["videodiffcr", "health", "--server", "localhost:50052"]
