# The server. docs/server.md says how to build and run it; it writes to /data and /tmp alone, so that the rest may be
# mounted read-only.

# What would be published, installed with what it needs at run time: package.json alone decides what that is.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm pack
RUN mkdir /app && tar -xzf itera-lite-*.tgz -C /app --strip-components=1 && cp package-lock.json .npmrc /app/
WORKDIR /app
# ONNX Runtime comes for all systems in one package.
RUN npm ci --omit=dev && chmod +x dist/cli/main.js && rm -rf node_modules/onnxruntime-node/bin/*/darwin node_modules/onnxruntime-node/bin/*/win32

FROM node:24.21.0-bookworm-slim
COPY --from=build /app /app
RUN ln -s /app/dist/cli/main.js /usr/local/bin/itera-lite && mkdir /data && chown node:node /data
ENV NODE_ENV=production
# A folder; or name a PostgreSQL server, and the password in the file of DATABASE_PASSWORD_FILE.
ENV DATABASE_URL=/data/store
ENV ITERA_CACHE_DIR=/data/cache
# Where relative paths lead: the keys, and the versions of a store on a PostgreSQL server.
WORKDIR /data
VOLUME ["/data"]
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["itera-lite"]
CMD ["serve", "--host", "0.0.0.0", "--keys", "keys.json"]
