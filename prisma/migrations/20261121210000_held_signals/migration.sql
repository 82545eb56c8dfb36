-- A signal is open in one incident at a time: the database itself refuses a second one. What operators decided and what rules had
-- counted stands beside the incident, so that a restart forgets neither.

-- AlterTable
ALTER TABLE "incidents" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "incidents" ADD COLUMN "resume" TEXT NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "held_signals" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "incidentId" TEXT NOT NULL,
    "muted" BOOLEAN NOT NULL DEFAULT false
);

-- CreateIndex
CREATE INDEX "held_signals_incidentId_idx" ON "held_signals"("incidentId");

-- Where two incidents hold the same signal open, the older one keeps it; the collector closes it in the other. A row that is damaged
-- holds nothing.
INSERT OR IGNORE INTO "held_signals" ("key", "incidentId")
SELECT json_extract("signal"."value", '$.kind') || '|' || json_extract("signal"."value", '$.scope'), "incidents"."id"
FROM "incidents", json_each(CASE WHEN json_valid("incidents"."data") THEN "incidents"."data" ELSE '{}' END, '$.signals') AS "signal"
WHERE "incidents"."state" <> 'resolved'
  AND CASE WHEN "signal"."type" = 'object'
        THEN json_extract("signal"."value", '$.closedAt') IS NULL
         AND json_extract("signal"."value", '$.kind') IS NOT NULL
         AND json_extract("signal"."value", '$.scope') IS NOT NULL
        ELSE 0 END
ORDER BY "incidents"."startedAt", "incidents"."id";
