# Weir with its embedded ClickHouse. Build: docker build -t weir .
FROM node:22-bookworm-slim AS build
WORKDIR /weir
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
WORKDIR /weir
ENV NODE_ENV=production
COPY --from=build /weir/package.json ./
COPY --from=build /weir/node_modules ./node_modules
COPY --from=build /weir/dist ./dist
COPY --from=build /weir/reports ./reports
RUN mkdir -p /var/lib/weir && chown node:node /var/lib/weir
USER node
VOLUME /var/lib/weir
# SIGTERM makes Weir flush and stop; it takes up to 5 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/weir/dist/cli/main.js"]
CMD ["demo", "--data", "/var/lib/weir"]
