-- Events are listed, kept and pruned by a time that a node's wrong clock cannot falsify: its own, where that can be true,
-- else the one at which they were received.

-- AlterTable
ALTER TABLE "events" ADD COLUMN "orderedAt" BIGINT NOT NULL DEFAULT 0;

UPDATE "events" SET "orderedAt" = CASE
    WHEN "at" > "receivedAt" OR "at" < "receivedAt" - 604800000 THEN "receivedAt"
    ELSE "at"
END;

-- DropIndex
DROP INDEX "events_at_idx";

-- DropIndex
DROP INDEX "events_node_at_idx";

-- DropIndex
DROP INDEX "events_type_at_idx";

-- CreateIndex
CREATE INDEX "events_orderedAt_idx" ON "events"("orderedAt");

-- CreateIndex
CREATE INDEX "events_node_orderedAt_idx" ON "events"("node", "orderedAt");

-- CreateIndex
CREATE INDEX "events_type_orderedAt_idx" ON "events"("type", "orderedAt");
