# The gateway as an image: one program, the certificates it checks others by, no shell, nobody's rights.
#
#   docker build -t presence-gateway .                                   the image to run, without the emulators
#   docker build -t presence-gateway-emulators --target emulators .      for trying out only
#
# Nothing is downloaded while it compiles: `fetch` gets exactly what Cargo.lock names and checks every checksum, `build` has no network.
# With a `vendor` folder not even `fetch` needs one, and two builds of one commit are the same: docs/supply-chain.md tells both.

# Both of the same Debian, or the program will not find its C library. Tags move: with `@sha256:...` behind them both are what they are now.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS fetch
WORKDIR /gateway
# Everything that .dockerignore leaves: manifests, sources, migrations and the answers of Postgres in .sqlx, wherever members of a workspace may lie.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo fetch --locked --target "$(rustc --print host-tuple)"

FROM fetch AS build
# `release` is what is shipped; `quick` is quicker to build, for looking at the image.
ARG PROFILE=release
# How many compilers run at once; empty: as many as there are cores.
ARG JOBS=
# The time of every file that is made here, whatever the clock says.
ARG SOURCE_DATE_EPOCH=0
RUN --network=none \
    --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/gateway/target,sharing=locked \
    deploy/compile --frozen ${JOBS:+--jobs ${JOBS}} --profile "${PROFILE}" --no-default-features \
    && install -D "target/shipped/${PROFILE}/presence-gateway" /image/presence-gateway \
    && touch --date="@${SOURCE_DATE_EPOCH}" /image/presence-gateway

FROM build AS build-emulators
RUN --network=none \
    --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/gateway/target,sharing=locked \
    deploy/compile --frozen ${JOBS:+--jobs ${JOBS}} --profile "${PROFILE}" --features emulator \
    && install -D "target/shipped/${PROFILE}/presence-gateway" /image/presence-gateway \
    && touch --date="@${SOURCE_DATE_EPOCH}" /image/presence-gateway

# The C library and root certificates; no shell, no package manager.
FROM ${BASE_IMAGE} AS base
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/presence-gateway"]
STOPSIGNAL SIGTERM

FROM base AS emulators
COPY --from=build-emulators /image/presence-gateway /presence-gateway
EXPOSE 8090 8091
CMD ["emulate"]

FROM base AS gateway
LABEL org.opencontainers.image.title="presence-gateway" \
      org.opencontainers.image.description="Keeps presence in step between Microsoft Teams and XPhone Connect"
COPY --from=build /image/presence-gateway /presence-gateway
# Webhooks and sign-in pages; admin API, metrics and health. The latter listens on loopback unless GATEWAY__HTTP__ADMIN_LISTEN says otherwise.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["/presence-gateway", "health"]
CMD ["serve"]
