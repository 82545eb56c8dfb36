-- CreateTable
CREATE TABLE "samples" (
    "node" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "region" TEXT NOT NULL,
    "connections" REAL,
    "connections_accepted" REAL,
    "connections_refused" REAL,
    "bytes_up" REAL,
    "bytes_down" REAL,
    "requests" REAL,
    "requests_failed" REAL,
    "tunnels" REAL,
    "tunnels_lost" REAL,
    "reconnects" REAL,
    "gap_ms" REAL,
    "push_received" REAL,
    "push_delivered" REAL,
    "push_rejected" REAL,
    "push_failed" REAL,
    "session_invalidations" REAL,
    "tokens_pruned" REAL,
    "latency_ms" REAL,
    "event_loop_delay_ms" REAL,
    "rss_bytes" REAL,
    "open_fds" REAL,

    PRIMARY KEY ("node", "at")
);

-- CreateTable
CREATE TABLE "gaps" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "from" BIGINT NOT NULL,
    "to" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "node" TEXT
);

-- CreateTable
CREATE TABLE "events" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "origin" TEXT NOT NULL,
    "epoch" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "source" TEXT NOT NULL,
    "node" TEXT,
    "region" TEXT,
    "type" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "receivedAt" BIGINT NOT NULL,
    "data" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "tunnels" (
    "hostId" TEXT NOT NULL PRIMARY KEY,
    "region" TEXT NOT NULL,
    "node" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "data" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "incidents" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "state" TEXT NOT NULL,
    "severity" TEXT NOT NULL,
    "startedAt" BIGINT NOT NULL,
    "resolvedAt" BIGINT,
    "data" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "timeline_items" (
    "incidentId" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "data" TEXT NOT NULL,

    PRIMARY KEY ("incidentId", "id")
);

-- CreateTable
CREATE TABLE "annotations" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "at" BIGINT NOT NULL,
    "data" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "drains" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "region" TEXT,
    "node" TEXT,
    "state" TEXT NOT NULL,
    "activeKey" TEXT,
    "version" INTEGER NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "data" TEXT NOT NULL,
    "resume" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "audit_rows" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "at" BIGINT NOT NULL,
    "actor" TEXT NOT NULL,
    "address" TEXT,
    "action" TEXT NOT NULL,
    "object" TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    "reason" TEXT
);

-- CreateTable
CREATE TABLE "api_tokens" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT,
    "lastUsedAt" BIGINT
);

-- CreateTable
CREATE TABLE "settings" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "users" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "emailVerified" BOOLEAN NOT NULL DEFAULT false,
    "image" TEXT,
    "role" TEXT NOT NULL DEFAULT 'viewer',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "token" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    "userId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" DATETIME NOT NULL,
    CONSTRAINT "sessions_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "accounts" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "accountId" TEXT NOT NULL,
    "providerId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "accessToken" TEXT,
    "refreshToken" TEXT,
    "idToken" TEXT,
    "accessTokenExpiresAt" DATETIME,
    "refreshTokenExpiresAt" DATETIME,
    "scope" TEXT,
    "password" TEXT,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" DATETIME NOT NULL,
    CONSTRAINT "accounts_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "verifications" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "identifier" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "gaps_to_idx" ON "gaps"("to");

-- CreateIndex
CREATE INDEX "events_origin_idx" ON "events"("origin");

-- CreateIndex
CREATE INDEX "events_at_idx" ON "events"("at");

-- CreateIndex
CREATE INDEX "events_node_at_idx" ON "events"("node", "at");

-- CreateIndex
CREATE INDEX "events_type_at_idx" ON "events"("type", "at");

-- CreateIndex
CREATE UNIQUE INDEX "events_origin_epoch_seq_key" ON "events"("origin", "epoch", "seq");

-- CreateIndex
CREATE INDEX "incidents_startedAt_idx" ON "incidents"("startedAt");

-- CreateIndex
CREATE INDEX "incidents_state_idx" ON "incidents"("state");

-- CreateIndex
CREATE INDEX "timeline_items_incidentId_at_idx" ON "timeline_items"("incidentId", "at");

-- CreateIndex
CREATE INDEX "annotations_at_idx" ON "annotations"("at");

-- CreateIndex
CREATE UNIQUE INDEX "drains_activeKey_key" ON "drains"("activeKey");

-- CreateIndex
CREATE INDEX "drains_createdAt_idx" ON "drains"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "api_tokens_hash_key" ON "api_tokens"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_token_key" ON "sessions"("token");

-- CreateIndex
CREATE INDEX "sessions_userId_idx" ON "sessions"("userId");

-- CreateIndex
CREATE INDEX "accounts_userId_idx" ON "accounts"("userId");

-- CreateIndex
CREATE INDEX "verifications_identifier_idx" ON "verifications"("identifier");
