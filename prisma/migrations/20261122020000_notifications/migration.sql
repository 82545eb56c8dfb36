-- What is to be told to people: written with the incident that caused it and before anything is sent, so that a collector that is
-- killed in between tells it after its next start.

-- CreateTable
CREATE TABLE "notifications" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "channel" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "incidentId" TEXT,
    "reason" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" BIGINT,
    "lastError" TEXT,
    "createdAt" BIGINT NOT NULL,
    "sentAt" BIGINT,
    "message" TEXT,
    "owner" TEXT,
    "leaseUntil" BIGINT
);

-- CreateIndex
CREATE INDEX "notifications_incidentId_idx" ON "notifications"("incidentId");

-- CreateIndex
CREATE INDEX "notifications_state_nextAttemptAt_idx" ON "notifications"("state", "nextAttemptAt");

-- CreateIndex
CREATE INDEX "notifications_channel_sentAt_idx" ON "notifications"("channel", "sentAt");
